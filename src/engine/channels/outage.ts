import { describe } from "../../model/errors.ts";
import type { Context } from "../core/context.ts";
import type { TurnChannel } from "../core/turn.ts";
import type { Subscription } from "../delivery/subscription.ts";
import { lastingError } from "../log/log-failure.ts";

/** The first and the longest pause before a channel is read again, in milliseconds; a random part is added, of as much at most. */
const pause = { first: 100, longest: 500 };

/** A channel that may fail to be read. */
export interface ReadChannel extends TurnChannel {
  readonly name: string;
  readonly subscriptions: Iterable<Subscription>;
  /** There while it cannot be read. */
  outage: Outage | undefined;
  /** Ends a subscription that cannot go on without a hole, and tells it. */
  lose(subscription: Subscription): void;
}

/** What of a channel is read: what follows its top, or what somebody misses who is further behind. */
export type Reading = "top" | "behind";

/** A channel was read. Whoever waited for the end of the pause, which does not come any more, is looked after. */
export function works(channel: ReadChannel, context: Context, of: Reading): void {
  if (channel.outage?.of !== of) return;
  channel.outage.end();
  channel.outage = undefined;
  context.turn.wakeChannel(channel);
}

/** A channel could not be read: it is looked at again in a while, for everybody at once, or they are told to come back. */
export function failed(channel: ReadChannel, context: Context, error: unknown, of: Reading): void {
  if (lastingError(error, "") === undefined) {
    channel.outage ??= new Outage(context, channel, of);
    channel.outage.failed(error);
  } else {
    context.report(error, "log", `channel ${channel.name}`);
    for (const subscription of [...channel.subscriptions]) channel.lose(subscription);
  }
}

/** Whether a channel is not to be read now: the end of the pause wakes it. When closing there may be no other time. */
export function isPausing({ outage }: ReadChannel): boolean {
  return outage?.isPausing === true;
}

/** A time in which a channel cannot be read: it is told of once, and looked at again after pauses that grow. */
export class Outage {
  readonly of: Reading;
  readonly #context: Context;
  readonly #channel: ReadChannel;
  #pause = pause.first;
  #told: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(context: Context, channel: ReadChannel, of: Reading) {
    this.#context = context;
    this.#channel = channel;
    this.of = of;
  }

  get isPausing(): boolean {
    return this.#cancel !== undefined && !this.#context.flushing;
  }

  /** A read failed. */
  failed(error: unknown): void {
    const { message } = describe(error);
    if (message !== this.#told) this.#context.report(error, "log", `channel ${this.#channel.name}`);
    this.#told = message;
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
