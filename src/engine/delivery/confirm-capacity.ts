import type { Settle } from "../../base/scope.ts";
import type { Limits } from "../core/limits.ts";

/** What confirmed publications that wait take. */
export interface Taken {
  confirmed: number;
  bytes: number;
}

/** Somebody who waits for room in a channel, and in all. */
interface Waiting {
  readonly bytes: number;
  readonly settle: Settle<void>;
  /** What its channel takes now. */
  taken(): Taken | undefined;
  take(): void;
}

/** How much may wait to be confirmed, in each channel and in all, and who waits until it is less. */
export class ConfirmCapacity implements Taken {
  confirmed = 0;
  bytes = 0;
  readonly #limits: Readonly<Limits>;
  /** Publishers that wait for room, first come first served. */
  readonly #waiting = new Set<Waiting>();

  constructor(limits: Readonly<Limits>) {
    this.#limits = limits;
  }

  get isWaitedFor(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether more is taken than may be: by runs' endings, which are never held up. */
  get isOver(): boolean {
    return this.confirmed > this.#limits.confirmedTotal || this.bytes > this.#limits.confirmedTotalBytes;
  }

  /** Whether so many bytes more may wait in a channel, and nobody is before them. The first always may, however large. */
  fits(channel: Taken | undefined, bytes: number): boolean {
    if (!this.#channelFits(channel, bytes) || !this.#allFit(bytes)) return false;
    // Whoever waits for others than those of its own channel is served before.
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
      // It waits no longer, whoever looks next.
      this.#waiting.delete(waiting);
      waiting.take();
      waiting.settle.resolve();
    }
  }

  /** Takes room as soon as there is. Returns what stops waiting. */
  wait(waiting: Waiting): () => void {
    this.#waiting.add(waiting);
    return () => {
      // Others may have waited for nothing but their turn.
      if (this.#waiting.delete(waiting)) this.#serve();
    };
  }

  /** Whoever waits is refused. */
  refuse(error: Error): void {
    for (const { settle } of [...this.#waiting]) settle.reject(error);
  }

  clear(): void {
    this.confirmed = 0;
    this.bytes = 0;
    this.#waiting.clear();
  }
}

function hasRoom(taken: Taken, bytes: number, most: number, mostBytes: number): boolean {
  return taken.confirmed === 0 || (taken.confirmed < most && taken.bytes + bytes <= mostBytes);
}
