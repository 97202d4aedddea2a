import type { LiveSession } from "./session.ts";
import { standingOf } from "./standing.ts";
import type { Subscription } from "./subscription.ts";

/** Up to where the ledger has been told of a subscription. */
interface Told {
  written: number;
  read: number;
}

/** A subscription is about to be handed what the ledger wants to hear of, or has been handed it already. */
export function follow(subscription: Subscription): void {
  const { session } = subscription;
  if (subscription.quit !== undefined) return;
  session.tracking ??= new Tracking(session);
  session.tracking.follow(subscription);
  session.hub.wakeSession(session);
}

/** A client has asked to end a subscription: what it is sent from here on it does not look at. */
export function quit(subscription: Subscription): void {
  const { session, proof, cursor } = subscription;
  subscription.quit ??= session.window.readOf(proof, cursor);
  session.tracking?.forget(subscription);
}

/** A client may have asked to end a subscription before it was answered that it has one. */
export function quitEarly({ intake, subscriptions }: LiveSession, channel: string): void {
  const subscription = subscriptions.get(channel);
  if (subscription !== undefined && intake.isQuitting(channel)) quit(subscription);
}

/**
 * Which of a session's subscriptions are being sent something that the ledger wants to hear of.
 *
 * It is there only while there is one: for most sessions at most times there is none.
 */
export class Tracking {
  readonly #session: LiveSession;
  readonly #told = new Map<Subscription, Told>();

  constructor(session: LiveSession) {
    this.#session = session;
  }

  follow(subscription: Subscription): void {
    if (!this.#told.has(subscription)) this.#told.set(subscription, { written: 0, read: 0 });
  }

  /** Whether a pong would tell somebody something. */
  get wantsProof(): boolean {
    for (const subscription of this.#told.keys())
      if (subscription.channel.book?.wantsReading(subscription)) return true;
    return false;
  }

  /** What was handed is on its way, or a pong has proven something read. */
  tell(level: keyof Told): void {
    for (const [subscription, told] of [...this.#told]) {
      const standing = standingOf(subscription);
      const before = told[level];
      told[level] = standing[level];
      subscription.channel.book?.reached(subscription.epoch, standing, level, before);
      if (standing.read >= subscription.cursor) this.forget(subscription);
    }
  }

  forget(subscription: Subscription): void {
    if (this.#told.delete(subscription) && this.#told.size === 0) this.#session.tracking = undefined;
  }
}
