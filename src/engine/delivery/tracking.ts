import { deliveryStateOf } from "./delivery-state.ts";
import type { Subscription } from "./subscription.ts";

/** Up to where the ledger has been told of a subscription. */
interface Reported {
  written: number;
  read: number;
}

/**
 * Which of a session's subscriptions are being sent something that the ledger wants to hear of.
 *
 * It is there only while there is one: for most sessions at most times there is none.
 */
export class Tracking {
  readonly #told = new Map<Subscription, Reported>();

  get isEmpty(): boolean {
    return this.#told.size === 0;
  }

  add(subscription: Subscription): void {
    if (!this.#told.has(subscription)) this.#told.set(subscription, { written: 0, read: 0 });
  }

  /** Whether a pong would tell somebody something. */
  get wantsProof(): boolean {
    for (const subscription of this.#told.keys())
      if (subscription.channel.deliveries?.wantsReading(subscription)) return true;
    return false;
  }

  /** What was handed is on its way, or a pong has proven something read. */
  tell(level: keyof Reported): void {
    for (const [subscription, told] of [...this.#told]) {
      const state = deliveryStateOf(subscription);
      const before = told[level];
      told[level] = state[level];
      subscription.channel.deliveries?.reached(subscription.epoch, state, level, before);
      if (state.read >= subscription.cursor) this.delete(subscription);
    }
  }

  delete(subscription: Subscription): void {
    this.#told.delete(subscription);
  }
}
