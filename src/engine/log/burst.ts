import { entryCost, type Retention } from "../../model/log.ts";
import { assumed, surelyKept } from "./pace.ts";

/** Milliseconds that a subscriber may take to read what is on its way to it, for a burst to wait for it. */
export const patience = 100;

/**
 * Counts what somebody publishes to one channel faster than subscribers read it, and notes at which offset it was how much.
 *
 * It tells which subscribers are so far behind that more of it could cost them their place, and for how long to wait for them.
 */
export class Burst {
  readonly channel: string;
  /** Offset of the last publication, where one is known. */
  offset: number;
  /** Whether publications wait for subscribers. */
  isHeld = false;
  /** How far the slowest of them has come, and since when. */
  #slowest: number | undefined;
  #since = 0;
  /** Subscribers that have come no further than this offset are not waited for any more: they stood still for too long. */
  #givenUp = -1;
  #bytes: number;
  /** Where it began, and where turns ended, the oldest first. */
  readonly #marks: Mark[] = [{ offset: 0, bytes: 0 }];

  /** `before` is how much may have been published to it in this turn already, in bytes. */
  constructor(channel: string, top: number, before: number) {
    this.channel = channel;
    this.offset = top;
    this.#bytes = before;
  }

  /** A publication of so many characters was given this offset. A channel may begin anew. */
  add(chars: number, offset: number): void {
    if (offset <= this.offset) {
      this.#marks.splice(0, Infinity, { offset: 0, bytes: this.#bytes });
      this.#givenUp = -1;
    }
    this.#bytes += chars + entryCost;
    this.offset = offset;
  }

  /**
   * Ends a turn. Returns the offset that subscribers should have reached: whoever has not is behind by more than half of
   * what the log keeps, or will be in a turn.
   */
  turn(keeps: Readonly<Partial<Retention>>): number {
    const kept = assumed(keeps);
    const { size, bytes, slack } = kept;
    const marks = this.#marks;
    if (this.offset > 0 && marks.at(-1)?.bytes !== this.#bytes)
      marks.push({ offset: this.offset, bytes: this.#bytes });
    const half = (slack > 0 ? surelyKept(kept) : bytes) / 2;
    while (marks.length > 1 && (marks[0] as Mark).bytes < this.#bytes - half) marks.shift();
    const { offset } = marks[0] as Mark;
    return slack > 0 ? offset : Math.max(offset, this.offset - Math.floor(size / 2));
  }

  /**
   * Waits for subscribers that are behind, for as long as the slowest of them comes on. One that stands still is given up,
   * and the next one waited for. `slowestAfter` returns how far the slowest has come of those that are past an offset.
   */
  waitFor(slowestAfter: (givenUp: number) => number | undefined, now: number): void {
    let slowest = slowestAfter(this.#givenUp);
    if (slowest !== undefined && slowest === this.#slowest && now - this.#since >= patience) {
      this.#givenUp = slowest;
      slowest = slowestAfter(slowest);
    }
    if (slowest !== this.#slowest) this.#since = now;
    this.#slowest = slowest;
    this.isHeld = slowest !== undefined;
  }

  /** Milliseconds for which it still waits where nobody comes on. */
  left(now: number): number {
    return this.#since + patience - now;
  }
}

/** How much had been published, and up to which offset. */
interface Mark {
  readonly offset: number;
  readonly bytes: number;
}
