import type { SmallSet } from "../../base/small-set.ts";
import type { Subscription } from "./subscription.ts";

/** Whether any subscription has everything up to an offset, and is waiting only for news. */
export function isAnyoneAt(subscriptions: SmallSet<Subscription>, top: number): boolean {
  const { only } = subscriptions;
  if (only !== undefined) return isAt(only, top);
  for (const subscription of subscriptions) if (isAt(subscription, top)) return true;
  return false;
}

function isAt({ cursor, waits }: Subscription, top: number): boolean {
  return waits === undefined && cursor >= top;
}

/**
 * The subscriptions of one session, by channel. Most sessions have one: a map would take more memory than the rest of
 * the subscription.
 */
export class Subscriptions implements Iterable<Subscription> {
  #one: Subscription | undefined;
  #all: Map<string, Subscription> | undefined;

  get size(): number {
    return this.#all?.size ?? (this.#one === undefined ? 0 : 1);
  }

  get(channel: string): Subscription | undefined {
    if (this.#all !== undefined) return this.#all.get(channel);
    return this.#one?.channel.name === channel ? this.#one : undefined;
  }

  has(channel: string): boolean {
    return this.get(channel) !== undefined;
  }

  add(subscription: Subscription): void {
    if (this.#one !== undefined) {
      this.#all = new Map([[this.#one.channel.name, this.#one]]);
      this.#one = undefined;
    }
    if (this.#all === undefined) this.#one = subscription;
    else this.#all.set(subscription.channel.name, subscription);
  }

  delete({ channel }: Subscription): void {
    if (this.#one?.channel.name === channel.name) this.#one = undefined;
    this.#all?.delete(channel.name);
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#all?.values() ?? (this.#one === undefined ? [] : [this.#one]).values();
  }
}
