import type { Clock } from "../../base/clock.ts";
import { TimedItem } from "../../base/timer-wheel.ts";
import type { Context } from "../core/context.ts";
import type { Receiver, Subscription } from "./subscription.ts";

/** What a subscriber did not get when it was published. */
export interface Missed {
  readonly epoch: string;
  /** Publications that come late: with the answer and after it, or shortly before a push. */
  delayed: number;
  /** Publications that the log no longer holds; null when nobody knows how many. */
  gone: number | null;
  /** Publications that are not sent either, but that the log still holds. */
  kept: number;
}

/** What notices need beside. */
export interface NoticeContext extends Context {
  /** The sessions of a user, or the one with that id. */
  sessionsOf(identity: string): Iterable<Receiver>;
}

/** Milliseconds between two notices to one subscriber about one channel. */
const interval = 5_000;
/** Milliseconds for which a subscriber has to be held up before it is worth telling. */
const late = 1_000;

/** The subscription cannot be given news: what follows comes late. */
export function fallBehind(subscription: Subscription, { clock }: { clock: Clock }): void {
  subscription.behind ??= { cursor: subscription.cursor, since: clock.now() };
}

/** The subscription has everything again. */
export function caughtUp(
  subscription: Subscription,
  { clock, notices }: { clock: Clock; notices: MissedNotices },
): void {
  const { behind, session, channel, cursor, epoch } = subscription;
  subscription.behind = undefined;
  if (behind === undefined || clock.now() - behind.since < late) return;
  notices.tell(session, channel.name, { epoch, delayed: cursor - behind.cursor, gone: 0, kept: 0 });
}

/** MissedNotices that are remembered. While there are as many nobody else is told: a crowd that comes back may be larger. */
const most = 100_000;

/** When somebody was told last about a channel, and what there is to add; on the wheel until they may be told again. */
class SentNotice extends TimedItem {
  at: number;
  owed: Missed | undefined;
  override readonly tick: () => void;

  constructor(at: number, tick: () => void) {
    super();
    this.at = at;
    this.tick = tick;
  }
}

/**
 * Tells subscribers, once each time, what came late and what will not come: with the answer to a recovery, in its `data`,
 * or with a `message` push.
 */
export class MissedNotices {
  readonly #context: NoticeContext;
  /** By subscriber and channel, for as long as they may not be told again. */
  readonly #told = new Map<string, SentNotice>();

  constructor(context: NoticeContext) {
    this.#context = context;
  }

  /** Whether a subscriber may be told of a channel, for which its turn is then taken. `undo` gives it back. */
  begin({ identity }: Receiver, channel: string): { undo(): void } | undefined {
    const key = keyOf({ identity }, channel);
    const known = this.#told.get(key);
    // The wheel comes late by a little.
    const isOver = known?.owed === undefined && this.#context.clock.now() - (known?.at ?? 0) >= interval;
    if (known === undefined ? this.#told.size >= most : !isOver) return undefined;
    if (known !== undefined) this.#forget(key, known);
    const told = new SentNotice(0, () => this.#due(key, told, identity, channel));
    this.#told.set(key, told);
    this.#rest(told);
    return {
      undo: () => {
        // What has come to be owed meanwhile is told when its time has come.
        if (told.owed === undefined) this.#forget(key, told);
      },
    };
  }

  /** Tells a subscriber what it missed of a channel, as soon as it may be told again. */
  tell(session: Receiver, channel: string, missed: Missed): void {
    // What closes has enough to do with what was published.
    if (isNothing(missed) || this.#context.flushing) return;
    if (this.begin(session, channel) !== undefined) return session.put(text(this.#context, channel, missed));
    const told = this.#told.get(keyOf(session, channel));
    if (told !== undefined) told.owed = told.owed?.epoch === missed.epoch ? sum(told.owed, missed) : missed;
  }

  /** They may be told again: of what is owed, where somebody is there to hear it. */
  #due(key: string, told: SentNotice, identity: string, channel: string): void {
    const { owed } = told;
    if (owed !== undefined && !this.#context.flushing) {
      for (const session of this.#context.sessionsOf(identity)) {
        if (session.subscriptions.get(channel)?.epoch !== owed.epoch) continue;
        told.owed = undefined;
        session.put(text(this.#context, channel, owed));
      }
      if (told.owed === undefined) return this.#rest(told);
    }
    this.#forget(key, told);
  }

  #rest(told: SentNotice): void {
    told.at = this.#context.clock.now();
    this.#context.wheel.set(told, told.at + interval);
  }

  #forget(key: string, told: SentNotice): void {
    this.#context.wheel.set(told, undefined);
    if (this.#told.get(key) === told) this.#told.delete(key);
  }

  clear(): void {
    this.#told.clear();
  }
}

/** Whether there is nothing to tell. */
export function isNothing({ delayed, gone, kept }: Missed): boolean {
  return delayed === 0 && gone === 0 && kept === 0;
}

function keyOf({ identity }: Pick<Receiver, "identity">, channel: string): string {
  return `${identity}\n${channel}`;
}

function text({ codec }: Context, channel: string, missed: Missed): string {
  return codec.push(channel, "message", `{"data":{"notice":${JSON.stringify({ channel, ...missed })}}}`);
}

function sum(one: Missed, other: Missed): Missed {
  return {
    epoch: one.epoch,
    delayed: one.delayed + other.delayed,
    gone: one.gone === null || other.gone === null ? null : one.gone + other.gone,
    kept: one.kept + other.kept,
  };
}
