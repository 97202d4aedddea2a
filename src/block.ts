import type { Kept } from "./kept.ts";
import type { Entry } from "./log.ts";

/** Numbers of each entry: where its text ends, its bytes, its time, and when it arrived. */
const width = 4;

/**
 * Consecutive entries of a channel that are kept for some seconds more, as a few large things: V8 copies each small thing
 * that lives so long, twice, which takes about as long as to publish it.
 */
export class Block {
  /** Offset of what comes behind it. */
  readonly end: number;
  readonly #first: Kept;
  readonly #text: string;
  readonly #numbers: Float64Array;
  readonly #tags: Entry["tags"][] | undefined;

  /**
   * The first entry stays in the list of all entries, and stands there for all of them: where the oldest of all channels are
   * trimmed, those of a block go one by one, but before whatever came after the first of them.
   */
  constructor(first: Kept, entries: readonly Kept[]) {
    this.#first = first;
    this.end = first.offset + entries.length;
    // To join makes one flat text, which holds none of its parts.
    this.#text = entries.map(({ data }) => data).join("");
    this.#tags = entries.some(({ tags }) => tags) ? entries.map(({ tags }) => tags) : undefined;
    this.#numbers = new Float64Array(entries.length * width);
    let at = 0;
    let end = 0;
    for (const kept of entries) {
      end += kept.data.length;
      this.#numbers[at++] = end;
      this.#numbers[at++] = kept.bytes;
      this.#numbers[at++] = kept.time;
      this.#numbers[at++] = kept.arrived;
      if (kept !== first) kept.leave();
    }
    first.data = "";
  }

  #number(offset: number, which: number): number {
    return this.#numbers[(offset - this.#first.offset) * width + which] as number;
  }

  bytesOf(offset: number): number {
    return this.#number(offset, 1);
  }

  arrivedOf(offset: number): number {
    return this.#number(offset, 3);
  }

  /** Leaves the list of all entries. */
  leave(): void {
    this.#first.leave();
  }

  /** Adds those of its entries that stand from one offset to before another. */
  read(from: number, to: number, entries: Entry[]): void {
    const first = this.#first.offset;
    const end = Math.min(to, this.end);
    for (let offset = Math.max(from, first); offset < end; offset++) {
      const start = offset === first ? 0 : this.#number(offset - 1, 0);
      const data = this.#text.slice(start, this.#number(offset, 0));
      entries.push({ offset, data, time: this.#number(offset, 2), tags: this.#tags?.[offset - first] });
    }
  }
}
