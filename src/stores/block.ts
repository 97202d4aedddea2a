import type { LinkedNode } from "../base/linked-list.ts";
import type { Entry } from "../model/log.ts";
import type { KeptEntry } from "./kept-entry.ts";

/** Numbers per entry: where its text ends, its bytes, its time, and when it arrived. */
const width = 4;

/**
 * Consecutive entries of a channel that are kept for some seconds more, stored as a few large objects. V8 copies each
 * small object that lives that long, twice. That takes about as long as publishing it.
 */
export class Block {
  /** The offset of its first entry, and the offset after its last. */
  readonly #start: number;
  readonly end: number;
  readonly #place: LinkedNode;
  readonly #text: string;
  readonly #numbers: Float64Array;
  /** By index in the block; empty for most entries. */
  readonly #tags: Entry["tags"][];

  /**
   * Takes entries out of the list of all entries, and puts `place` where the first of them was. When the oldest entries
   * of all channels are trimmed, those of a block are trimmed one by one, before everything that came after the first
   * of them.
   */
  constructor(place: LinkedNode, entries: readonly KeptEntry[]) {
    const first = entries[0] as KeptEntry;
    place.moveTo(first);
    this.#place = place;
    this.#start = first.offset;
    this.end = first.offset + entries.length;
    this.#numbers = new Float64Array(entries.length * width);
    const texts: string[] = [];
    const tags: Entry["tags"][] = [];
    let end = 0;
    for (let index = 0; index < entries.length; index++) {
      const kept = entries[index] as KeptEntry;
      const at = index * width;
      end += kept.data.length;
      this.#numbers[at] = end;
      this.#numbers[at + 1] = kept.bytes;
      this.#numbers[at + 2] = kept.time;
      this.#numbers[at + 3] = kept.arrived;
      texts.push(kept.data);
      if (kept.tags !== undefined) tags[index] = kept.tags;
      kept.leave();
    }
    // `join` makes one flat string, which does not keep its parts alive.
    this.#text = texts.join("");
    this.#tags = tags;
  }

  #number(offset: number, which: number): number {
    return this.#numbers[(offset - this.#start) * width + which] as number;
  }

  bytesOf(offset: number): number {
    return this.#number(offset, 1);
  }

  arrivedOf(offset: number): number {
    return this.#number(offset, 3);
  }

  /** Removes the block from the list of all entries. */
  leave(): void {
    this.#place.leave();
  }

  /** Adds its entries from offset `from` up to, but not including, `to`. */
  read(from: number, to: number, entries: Entry[]): void {
    const end = Math.min(to, this.end);
    for (let offset = Math.max(from, this.#start); offset < end; offset++) {
      const start = offset === this.#start ? 0 : this.#number(offset - 1, 0);
      const data = this.#text.slice(start, this.#number(offset, 0));
      entries.push({ offset, data, time: this.#number(offset, 2), tags: this.#tags[offset - this.#start] });
    }
  }
}
