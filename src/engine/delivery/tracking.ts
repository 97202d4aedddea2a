import { deliveryStateOf } from "./delivery-state.ts";
import type { Subscription } from "./subscription.ts";

/** The offsets of a subscription that the ledger was last informed of. */
interface Reported {
  written: number;
  read: number;
}

/**
 * The subscriptions of a session that are being sent something that the ledger has an entry for.
 *
 * A session has this object only while there is such a subscription: most sessions have none most of the time.
 */
export class Tracking {
  readonly #reported = new Map<Subscription, Reported>();

  get isEmpty(): boolean {
    return this.#reported.size === 0;
  }

  add(subscription: Subscription): void {
    if (!this.#reported.has(subscription)) this.#reported.set(subscription, { written: 0, read: 0 });
  }

  /** Whether a pong would settle anything. */
  get wantsProof(): boolean {
    for (const subscription of this.#reported.keys())
      if (subscription.channel.deliveries?.wantsReading(subscription)) return true;
    return false;
  }

  /** Informs the ledger that what was handed on has been written, or that a pong has proven something read. */
  tell(level: keyof Reported): void {
    for (const [subscription, reported] of [...this.#reported]) {
      const state = deliveryStateOf(subscription);
      const before = reported[level];
      reported[level] = state[level];
      subscription.channel.deliveries?.reached(subscription.epoch, state, level, before);
      if (state.read >= subscription.cursor) this.delete(subscription);
    }
  }

  delete(subscription: Subscription): void {
    this.#reported.delete(subscription);
  }
}
