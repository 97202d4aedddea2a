import type { Settle } from "./scope.ts";
import type { Limits } from "./settings.ts";

/** What confirmed publications that wait take. */
export interface Taken {
  confirmed: number;
  bytes: number;
}

/** How much may wait to be confirmed, in each channel and in all, and who waits until it is less. */
export class Room implements Taken {
  confirmed = 0;
  bytes = 0;
  readonly #limits: Readonly<Limits>;
  /** Publishers that wait for room, first come first served. */
  readonly #waiting = new Map<() => void, Settle<void>>();

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

  /** Whether so many bytes more may wait in a channel. The first always may, however large. */
  fits(channel: Taken | undefined, bytes: number): boolean {
    const { confirmed, confirmedBytes, confirmedTotal, confirmedTotalBytes } = this.#limits;
    const has = (taken: Taken, most: number, mostBytes: number): boolean =>
      taken.confirmed === 0 || (taken.confirmed < most && taken.bytes + bytes <= mostBytes);
    if (channel !== undefined && !has(channel, confirmed, confirmedBytes)) return false;
    return has(this, confirmedTotal, confirmedTotalBytes);
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
    for (const look of [...this.#waiting.keys()]) look();
  }

  /** Takes room as soon as it fits. Returns what stops waiting. */
  wait(fits: () => boolean, take: () => void, settle: Settle<void>): () => void {
    const look = (): void => {
      if (!fits()) return;
      take();
      settle.resolve();
    };
    this.#waiting.set(look, settle);
    return () => this.#waiting.delete(look);
  }

  /** Whoever waits is refused. */
  refuse(error: Error): void {
    for (const settle of [...this.#waiting.values()]) settle.reject(error);
  }

  clear(): void {
    this.confirmed = 0;
    this.bytes = 0;
    this.#waiting.clear();
  }
}
