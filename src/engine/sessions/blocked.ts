import type { Subscription } from "../delivery/subscription.ts";

/**
 * The subscriptions of one session that wait for room in its send window. The one that has waited longest is served
 * first, and the others wait until it fits. Otherwise small publications would starve a large one.
 */
export class BlockedSubscriptions implements Iterable<Subscription> {
  readonly #waiting: Set<Subscription> = new Set();
  #serving: Subscription | undefined;

  get size(): number {
    return this.#waiting.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#waiting.values();
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

  /** Returns whether a subscription must not take room, because others wait for it. */
  holds(subscription: Subscription): boolean {
    return this.#waiting.size > 0 && this.#serving !== subscription;
  }

  /** Serves the waiting subscriptions in order, until one does not fit. Called when the window has more room. */
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
      // It was handed something, so it goes to the end of the queue.
      if (this.#waiting.delete(subscription) && isBlocked) this.#waiting.add(subscription);
    }
  }
}
