import type { Subscription } from "../delivery/subscription.ts";

/**
 * The subscriptions of one session that wait for room in its window. Whoever has waited longest is served first, and the
 * others wait while that one does not fit: else a large publication would starve behind small ones.
 */
export class BlockedSubscriptions {
  readonly #waiting: Set<Subscription> = new Set();
  #serving: Subscription | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  add(subscription: Subscription): void {
    this.#waiting.add(subscription);
  }

  delete(subscription: Subscription): void {
    this.#waiting.delete(subscription);
  }

  clear(): void {
    this.#waiting.clear();
  }

  /** Whether a subscription must not take room that somebody else waits for. */
  holds(subscription: Subscription): boolean {
    return this.#waiting.size > 0 && this.#serving !== subscription;
  }

  /** There is more room: serves in order, until somebody does not fit. */
  serve(): void {
    let left = this.#waiting.size;
    for (const subscription of this.#waiting) {
      if (left-- === 0) return;
      const { cursor } = subscription;
      this.#serving = subscription;
      subscription.channel.resume(subscription);
      this.#serving = undefined;
      const isBlocked = subscription.waits === "room";
      if (isBlocked && subscription.cursor === cursor) return;
      // It was served something, so that it begins to wait anew.
      if (this.#waiting.delete(subscription) && isBlocked) this.#waiting.add(subscription);
    }
  }
}
