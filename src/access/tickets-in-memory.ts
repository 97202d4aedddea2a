import type { Clock } from "../base/clock.ts";
import type { Identity } from "../model/peer.ts";

interface Waiting {
  readonly identity: Identity;
  readonly until: number;
}

/** How long tickets are valid, in milliseconds, and how many may wait. */
interface Bounds {
  readonly ttl: number;
  readonly size: number;
  readonly perUser: number;
}

/** The unused tickets in the memory of this process. */
export class MemoryTickets {
  readonly #bounds: Bounds;
  readonly #clock: Pick<Clock, "now">;
  /** In the order of issue, which is also the order of expiry. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #byUser = new Map<string, Set<string>>();

  constructor(bounds: Bounds, clock: Pick<Clock, "now">) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  get size(): number {
    this.#removeExpired();
    return this.#waiting.size;
  }

  put(ticket: string, identity: Identity): void {
    const { ttl, perUser } = this.#bounds;
    const { user } = identity;
    const own = this.#byUser.get(user) ?? new Set();
    this.#byUser.set(user, own.add(ticket));
    this.#waiting.set(ticket, { identity, until: this.#clock.now() + ttl });
    const [oldest] = own;
    // The user "" stands for many anonymous clients, so no limit per user applies.
    if (oldest !== undefined && own.size > perUser && user !== "") this.#take(oldest);
    this.#removeExpired();
  }

  take(ticket: string): Identity | null {
    this.#removeExpired();
    return this.#take(ticket)?.identity ?? null;
  }

  #take(ticket: string): Waiting | undefined {
    const found = this.#waiting.get(ticket);
    if (found === undefined) return undefined;
    this.#waiting.delete(ticket);
    const { user } = found.identity;
    const own = this.#byUser.get(user);
    own?.delete(ticket);
    if (own?.size === 0) this.#byUser.delete(user);
    return found;
  }

  #removeExpired(): void {
    for (const [ticket, { until }] of this.#waiting) {
      if (until > this.#clock.now() && this.#waiting.size <= this.#bounds.size) return;
      this.#take(ticket);
    }
  }
}
