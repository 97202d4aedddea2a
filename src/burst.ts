import type { Retention } from "./log.ts";
import { overhead, surelyKept } from "./pace.ts";

/**
 * What is published to one channel by somebody who never pauses: how much, up to which offset.
 *
 * It tells which subscribers are so far behind that more of it could cost them their place.
 */
export class Burst {
  readonly channel: string;
  #offset = 0;
  #bytes: number;
  /** Where it began, and where turns ended, the oldest first. */
  readonly #marks: Mark[] = [{ offset: 0, bytes: 0 }];

  /** `before` is how much may have been published to it in this turn already, in bytes. */
  constructor(channel: string, before: number) {
    this.channel = channel;
    this.#bytes = before;
  }

  /** A publication of so many characters was given this offset. */
  add(chars: number, offset: number): void {
    this.#bytes += chars + overhead;
    this.#offset = offset;
  }

  /**
   * Ends a turn. Returns the offset that subscribers should have reached: whoever has not is behind by more than half of
   * what the log keeps, or will be in a turn.
   */
  turn(keeps: Readonly<Partial<Retention>>): number {
    const { size = 1_000, bytes = 1_048_576, slack = 0 } = keeps;
    const marks = this.#marks;
    if (marks.at(-1)?.bytes !== this.#bytes) marks.push({ offset: this.#offset, bytes: this.#bytes });
    const half = (slack > 0 ? surelyKept(keeps) : bytes) / 2;
    while ((marks[0] as Mark).bytes < this.#bytes - half) marks.shift();
    const { offset } = marks[0] as Mark;
    return slack > 0 ? offset : Math.max(offset, this.#offset - Math.floor(size / 2));
  }
}

/** How much had been published, and up to which offset. */
interface Mark {
  readonly offset: number;
  readonly bytes: number;
}
