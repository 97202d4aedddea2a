import { describe } from "../../model/errors.ts";
import type { Context } from "../core/context.ts";
import type { TurnChannel } from "../core/turn.ts";
import type { Subscription } from "../delivery/subscription.ts";
import { lastingError } from "../log/log-failure.ts";

/**
 * The first and the longest pause before a channel is read again, in milliseconds. A random part of up to the same
 * length is added.
 */
const pause = { first: 100, longest: 500 };

/** A channel whose reads may fail. */
export interface ReadChannel extends TurnChannel {
  readonly name: string;
  readonly subscriptions: Iterable<Subscription>;
  /** The current outage. Undefined while the channel can be read. */
  outage: Outage | undefined;
  /** Ends a subscription that cannot continue without a gap, and tells the client. */
  lose(subscription: Subscription): void;
}

/** The part of a channel that is read: what follows the top, or what a subscription misses that is further behind. */
export type Reading = "top" | "behind";

/**
 * Notes that a read has succeeded. Wakes the channel, because some subscriptions wait for the end of the pause, which
 * is now cancelled.
 */
export function works(channel: ReadChannel, context: Context, of: Reading): void {
  if (channel.outage?.of !== of) return;
  channel.outage.end();
  channel.outage = undefined;
  context.turn.wakeChannel(channel);
}

/**
 * Notes that a read has failed. The channel is read again after a pause, once for all its subscriptions. If the error
 * is lasting, all subscriptions end, so that their clients come back.
 */
export function failed(channel: ReadChannel, context: Context, error: unknown, of: Reading): void {
  if (lastingError(error, "") === undefined) {
    channel.outage ??= new Outage(context, channel, of);
    channel.outage.failed(error);
  } else {
    context.report(error, "log", `channel ${channel.name}`);
    for (const subscription of [...channel.subscriptions]) channel.lose(subscription);
  }
}

/**
 * Returns whether the channel must not be read now. The end of the pause wakes it. While the notifier closes, no pause
 * counts, because there may be no time for another read.
 */
export function isPausing({ outage }: ReadChannel): boolean {
  return outage?.isPausing === true;
}

/**
 * A time in which a channel cannot be read. The same error is reported once, and the channel is read again after
 * growing pauses.
 */
export class Outage {
  readonly of: Reading;
  readonly #context: Context;
  readonly #channel: ReadChannel;
  #pause = pause.first;
  #reported: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(context: Context, channel: ReadChannel, of: Reading) {
    this.#context = context;
    this.#channel = channel;
    this.of = of;
  }

  get isPausing(): boolean {
    return this.#cancel !== undefined && !this.#context.flushing;
  }

  /** Reports the error of a failed read, and starts a pause. */
  failed(error: unknown): void {
    const { message } = describe(error);
    if (message !== this.#reported) this.#context.report(error, "log", `channel ${this.#channel.name}`);
    this.#reported = message;
    if (this.#cancel !== undefined) return;
    const wait = this.#pause * (1 + this.#context.clock.random());
    this.#pause = Math.min(this.#pause * 2, pause.longest);
    this.#cancel = this.#context.scope.timer(`read ${this.#channel.name}`, wait, () => {
      this.#cancel = undefined;
      this.#context.turn.wakeChannel(this.#channel);
    });
  }

  end(): void {
    this.#cancel?.();
  }
}
