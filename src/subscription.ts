import type { Channel } from "./channel.ts";
import type { Few } from "./few.ts";
import type { LiveSession } from "./session.ts";
import type { Proof } from "./window.ts";

/** One session's place in one channel. */
export interface Subscription {
  readonly session: LiveSession;
  readonly channel: Channel;
  /** The channel's when it began. */
  readonly epoch: string;
  /** Whether the server subscribed it, and not the client. */
  readonly byServer: boolean;
  /** Whether it wants to hear of others coming and going. */
  readonly joins: boolean;
  /** Offset of the last publication handed to the socket. */
  cursor: number;
  /** Why it is not offered news now: its session has no room, or what it misses is being read from the log. */
  waits: "room" | "log" | undefined;
  /** What of the handed publications a pong has proven read; see `Window`. */
  readonly proof: Proof;
  /** The offset up to which the client said that it has everything, and when it last did. */
  acknowledged: number;
  heard: number;
  /** The offset that it had read when its client asked to end it, from which on nobody knows what becomes of the rest. */
  quit: number | undefined;
  /** Since when, and from which offset, it has been held up, while it is. */
  behind: { cursor: number; since: number } | undefined;
}

/** Whether anybody has all up to an offset, and waits for nothing but news. */
export function isAnyoneAt(subscriptions: Few<Subscription>, top: number): boolean {
  const { only } = subscriptions;
  if (only !== undefined) return isAt(only, top);
  for (const subscription of subscriptions) if (isAt(subscription, top)) return true;
  return false;
}

function isAt({ cursor, waits }: Subscription, top: number): boolean {
  return waits === undefined && cursor >= top;
}

/** The subscriptions of one session, by channel. Most have one: a map would be more than all the rest of it. */
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
