import { entryCost, type Retention } from "../../model/log.ts";
import { assumed, surelyKept } from "./pace.ts";

/**
 * Milliseconds that a subscriber may take to read what was sent to it. A burst does not wait for a slower subscriber.
 */
export const patience = 100;

/**
 * Counts what is published to one channel faster than subscribers read it, and remembers the count at past offsets.
 *
 * From that it computes which subscribers are so far behind that the log may trim what they have not read, and how long
 * to wait for them.
 */
export class Burst {
  readonly channel: string;
  /** Offset of the last publication; 0 if it is not known. */
  offset: number;
  /** Whether publications wait for subscribers. */
  isHeld = false;
  /** The offset that the slowest subscriber has reached, and since when. */
  #slowest: number | undefined;
  #since = 0;
  /** Subscribers that have not passed this offset made no progress for too long: the burst does not wait for them. */
  #givenUp = -1;
  #bytes: number;
  /** The counts at the beginning and at the ends of turns, the oldest first. */
  readonly #marks: Mark[] = [{ offset: 0, bytes: 0 }];

  /** `before` is the number of bytes that may have been published to the channel recently. */
  constructor(channel: string, top: number, before: number) {
    this.channel = channel;
    this.offset = top;
    this.#bytes = before;
  }

  /**
   * Counts a publication of so many characters at this offset. An offset that does not rise means that the channel
   * began anew.
   */
  add(chars: number, offset: number): void {
    if (offset <= this.offset) {
      this.#marks.splice(0, Infinity, { offset: 0, bytes: this.#bytes });
      this.#givenUp = -1;
    }
    this.#bytes += chars + entryCost;
    this.offset = offset;
  }

  /**
   * Ends a turn. Returns the offset that subscribers should have reached. A subscriber that has not reached it is
   * behind by more than half of what the log keeps, or will be within a turn.
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
   * Waits for subscribers that are behind, as long as the slowest of them makes progress. A subscriber that makes none for
   * {@linkcode patience} is given up, and the burst then waits for the next one. `slowestAfter` returns the lowest offset
   * reached by the subscribers that have passed a given offset.
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

  /** Returns the milliseconds for which the burst still waits if no subscriber makes progress. */
  left(now: number): number {
    return this.#since + patience - now;
  }
}

/** The number of bytes that had been published up to an offset. */
interface Mark {
  readonly offset: number;
  readonly bytes: number;
}
