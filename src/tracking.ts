import type { LiveSession } from "./session.ts";
import { standingOf } from "./standing.ts";
import type { Subscription } from "./subscription.ts";

/** Up to where the ledger has been told of a subscription. */
interface Told {
  written: number;
  read: number;
}

/**
 * Which of a session's subscriptions are being sent something that the ledger wants to hear of.
 *
 * While there is none, as for most sessions at most times, it costs nothing.
 */
export class Tracking {
  readonly #session: LiveSession;
  #told: Map<Subscription, Told> | undefined;

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /** A subscription is about to be handed what follows its cursor, or has been handed something already. */
  follow(subscription: Subscription): void {
    if (subscription.quit !== undefined) return;
    this.#told ??= new Map();
    if (!this.#told.has(subscription)) this.#told.set(subscription, { written: 0, read: 0 });
    this.#session.hub.wakeSession(this.#session);
  }

  /** Whether a pong would tell somebody something. */
  get wantsProof(): boolean {
    if (this.#told === undefined) return false;
    for (const subscription of this.#told.keys())
      if (subscription.channel.book?.wantsReading(subscription)) return true;
    return false;
  }

  /** What was handed is on its way. */
  sent(): void {
    this.#tell("written");
  }

  /** A pong has proven something read. */
  proven(): void {
    this.#tell("read");
  }

  #tell(level: keyof Told): void {
    if (this.#told === undefined) return;
    for (const [subscription, told] of [...this.#told]) {
      const standing = standingOf(subscription);
      const before = told[level];
      told[level] = standing[level];
      subscription.channel.book?.reached(standing, level, before);
      if (standing.read >= subscription.cursor) this.forget(subscription);
    }
  }

  /** The client has asked to end a subscription: what it is sent from here on it does not look at. */
  quit(subscription: Subscription): void {
    const { window } = this.#session;
    subscription.quit ??= window.readOf(subscription.proof, subscription.cursor);
    this.forget(subscription);
  }

  forget(subscription: Subscription): void {
    this.#told?.delete(subscription);
    if (this.#told?.size === 0) this.#told = undefined;
  }
}
