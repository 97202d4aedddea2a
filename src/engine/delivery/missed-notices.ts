import type { Clock } from "../../base/clock.ts";
import { TimedItem } from "../../base/timer-wheel.ts";
import type { Context } from "../core/context.ts";
import type { Receiver, Subscription } from "./subscription.ts";

/** What a subscriber did not get when it was published. */
export interface Missed {
  readonly epoch: string;
  /** Publications that come late: in the reply that carries the notice and after it, or shortly before a push. */
  delayed: number;
  /** Publications that the log no longer holds; null if their number is not known. */
  gone: number | null;
  /** Publications that are not sent either, although the log still holds them. */
  kept: number;
}

/** What notices need besides the context. */
export interface NoticeContext extends Context {
  /** Returns the sessions of a user, or the session with that id. */
  sessionsOf(identity: string): Iterable<Receiver>;
}

/** Milliseconds between two notices to one subscriber about one channel. */
const interval = 5_000;
/** Milliseconds of delay from which on a subscriber is sent a notice. */
const late = 1_000;

/** Notes that a subscription cannot be sent news: what follows comes late. */
export function fallBehind(subscription: Subscription, { clock }: { clock: Clock }): void {
  subscription.behind ??= { cursor: subscription.cursor, since: clock.now() };
}

/** Notes that a subscription has everything again. Sends a notice if the delay was long enough. */
export function caughtUp(
  subscription: Subscription,
  { clock, notices }: { clock: Clock; notices: MissedNotices },
): void {
  const { behind, session, channel, cursor, epoch } = subscription;
  subscription.behind = undefined;
  if (behind === undefined || clock.now() - behind.since < late) return;
  notices.tell(session, channel.name, { epoch, delayed: cursor - behind.cursor, gone: 0, kept: 0 });
}

/** Maximum number of remembered notices. Above it nobody else is sent one: a crowd that reconnects may be larger. */
const maxNotices = 100_000;

/**
 * When a subscriber was last sent a notice about a channel, and what the next one must contain. It stays on the wheel
 * until the next notice may be sent.
 */
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
 * Sends subscribers notices of what came late and what will not come: in the `data` of the reply to a recovery, or with
 * a `message` push. Nothing is in two notices.
 */
export class MissedNotices {
  readonly #context: NoticeContext;
  /** By subscriber and channel, until the next notice may be sent. */
  readonly #sent = new Map<string, SentNotice>();

  constructor(context: NoticeContext) {
    this.#context = context;
  }

  /** Whether any subscriber could be sent a notice now. */
  get areForgotten(): boolean {
    return this.#sent.size === 0;
  }

  /**
   * Reserves the next notice to a subscriber about a channel. Returns undefined if none may be sent now. `undo` cancels
   * the reservation.
   */
  begin({ identity }: Receiver, channel: string): { undo(): void } | undefined {
    const key = keyOf({ identity }, channel);
    const known = this.#sent.get(key);
    // The wheel may fire a little late.
    const isOver = known?.owed === undefined && this.#context.clock.now() - (known?.at ?? 0) >= interval;
    if (known === undefined ? this.#sent.size >= maxNotices : !isOver) return undefined;
    if (known !== undefined) this.#forget(key, known);
    const notice = new SentNotice(0, () => this.#due(key, notice, identity, channel));
    this.#sent.set(key, notice);
    this.#rest(notice);
    return {
      undo: () => {
        // If something was missed meanwhile, keep this entry: it is sent when it is due.
        if (notice.owed === undefined) this.#forget(key, notice);
      },
    };
  }

  /** Sends a subscriber a notice of what it missed of a channel, as soon as one may be sent. */
  tell(session: Receiver, channel: string, missed: Missed): void {
    // While closing, only publications are sent.
    if (isNothing(missed) || this.#context.flushing) return;
    if (this.begin(session, channel) !== undefined) return session.put(text(session, channel, missed));
    const notice = this.#sent.get(keyOf(session, channel));
    if (notice !== undefined)
      notice.owed = notice.owed?.epoch === missed.epoch ? sum(notice.owed, missed) : missed;
  }

  /** Sends what is owed, now that a notice may be sent again, to those sessions that still have the subscription. */
  #due(key: string, notice: SentNotice, identity: string, channel: string): void {
    const { owed } = notice;
    if (owed !== undefined && !this.#context.flushing) {
      for (const session of this.#context.sessionsOf(identity)) {
        if (session.subscriptions.get(channel)?.epoch !== owed.epoch) continue;
        notice.owed = undefined;
        session.put(text(session, channel, owed));
      }
      if (notice.owed === undefined) return this.#rest(notice);
    }
    this.#forget(key, notice);
  }

  #rest(notice: SentNotice): void {
    notice.at = this.#context.clock.now();
    this.#context.wheel.set(notice, notice.at + interval);
  }

  #forget(key: string, notice: SentNotice): void {
    this.#context.wheel.set(notice, undefined);
    if (this.#sent.get(key) === notice) this.#sent.delete(key);
  }

  clear(): void {
    this.#sent.clear();
  }
}

/** Whether there is nothing to send a notice about. */
export function isNothing({ delayed, gone, kept }: Missed): boolean {
  return delayed === 0 && gone === 0 && kept === 0;
}

function keyOf({ identity }: Pick<Receiver, "identity">, channel: string): string {
  return `${identity}\n${channel}`;
}

function text({ codec }: Receiver, channel: string, missed: Missed): string {
  return codec.message(channel, JSON.stringify({ notice: { channel, ...missed } }));
}

function sum(one: Missed, other: Missed): Missed {
  return {
    epoch: one.epoch,
    delayed: one.delayed + other.delayed,
    gone: one.gone === null || other.gone === null ? null : one.gone + other.gone,
    kept: one.kept + other.kept,
  };
}
