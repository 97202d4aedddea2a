import type { Settle } from "../../base/scope.ts";
import type { Limits } from "../core/limits.ts";

/** The number and bytes of confirmed publications that wait. */
export interface Taken {
  confirmed: number;
  bytes: number;
}

/** A publisher that waits for room in its channel and in total. */
interface Waiting {
  readonly bytes: number;
  readonly settle: Settle<void>;
  /** Returns what the channel takes now. */
  taken(): Taken | undefined;
  take(): void;
}

/**
 * Limits the confirmed publications that wait, per channel and in total, and holds the publishers that wait for room.
 */
export class ConfirmCapacity implements Taken {
  confirmed = 0;
  bytes = 0;
  readonly #limits: Readonly<Limits>;
  /** Publishers that wait for room, first come, first served. */
  readonly #waiting = new Set<Waiting>();

  constructor(limits: Readonly<Limits>) {
    this.#limits = limits;
  }

  get isWaitedFor(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * Whether more is taken than the limits allow in total. Only endings of runs can cause that, because they never wait.
   */
  get isOver(): boolean {
    return this.confirmed > this.#limits.confirmedTotal || this.bytes > this.#limits.confirmedTotalBytes;
  }

  /**
   * Whether so many bytes more may wait in a channel, and no publisher is before them. The first always fits, however
   * large.
   */
  fits(channel: Taken | undefined, bytes: number): boolean {
    if (!this.#channelFits(channel, bytes) || !this.#allFit(bytes)) return false;
    // Publishers that wait only for room in total are served first.
    for (const waiting of this.#waiting) if (this.#channelFits(waiting.taken(), waiting.bytes)) return false;
    return true;
  }

  #channelFits(channel: Taken | undefined, bytes: number): boolean {
    const { confirmed, confirmedBytes } = this.#limits;
    return channel === undefined || hasRoom(channel, bytes, confirmed, confirmedBytes);
  }

  #allFit(bytes: number): boolean {
    const { confirmedTotal, confirmedTotalBytes } = this.#limits;
    return hasRoom(this, bytes, confirmedTotal, confirmedTotalBytes);
  }

  take(channel: Taken, bytes: number): void {
    for (const taken of [channel, this]) {
      taken.confirmed++;
      taken.bytes += bytes;
    }
  }

  free(channel: Taken, bytes: number): void {
    for (const taken of [channel, this]) {
      taken.confirmed--;
      taken.bytes -= bytes;
    }
    this.#serve();
  }

  #serve(): void {
    for (const waiting of [...this.#waiting]) {
      if (!this.#waiting.has(waiting)) continue;
      if (!this.#channelFits(waiting.taken(), waiting.bytes)) continue;
      if (!this.#allFit(waiting.bytes)) return;
      // Remove it first, so that no other check finds it.
      this.#waiting.delete(waiting);
      waiting.take();
      waiting.settle.resolve();
    }
  }

  /** Takes room as soon as there is some. Returns a function that ends the wait. */
  wait(waiting: Waiting): () => void {
    this.#waiting.add(waiting);
    return () => {
      // Others may have waited only because this one was before them.
      if (this.#waiting.delete(waiting)) this.#serve();
    };
  }

  /** Rejects all publishers that wait. */
  refuse(error: Error): void {
    for (const { settle } of [...this.#waiting]) settle.reject(error);
  }

  clear(): void {
    this.confirmed = 0;
    this.bytes = 0;
    this.#waiting.clear();
  }
}

function hasRoom(taken: Taken, bytes: number, max: number, maxBytes: number): boolean {
  return taken.confirmed === 0 || (taken.confirmed < max && taken.bytes + bytes <= maxBytes);
}
