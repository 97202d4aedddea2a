import { byteLength } from "../base/bytes.ts";
import { checkBound } from "../base/check.ts";
import { type Expiring, Heap } from "../base/heap.ts";
import type { AppendOptions } from "../model/log.ts";

/** The options that identify an append when it is sent again. */
export type Marks = Pick<AppendOptions, "once" | "key">;

/** Milliseconds for which a writer is remembered after its last append. */
export const writerTtl = 600_000;
/** Bytes that a writer or a key takes besides its text, measured on V8 and rounded up. */
const markCost = 256;

/** A channel whose appends are remembered. */
export interface Marked {
  readonly name: string;
  /** The marks of writers and of keys, which only {@linkcode Repeats} creates and removes. */
  writers: Map<string, Mark> | undefined;
  keys: Map<string, Mark> | undefined;
}

/** A writer or a key of a channel, with the offset of the append that it is remembered for. */
export class Mark implements Expiring {
  readonly channel: Marked;
  readonly kind: "writers" | "keys";
  readonly text: string;
  readonly bytes: number;
  expires: number;
  place = -1;
  order = 0;
  /** The last number of a writer. */
  n = 0;
  offset = 0;

  constructor(channel: Marked, kind: Mark["kind"], text: string, expires: number) {
    this.channel = channel;
    this.kind = kind;
    this.text = text;
    this.bytes = markCost + byteLength(text);
    this.expires = expires;
  }
}

/** Remembers which appends were made, so that one that is sent again is made only once. */
export class Repeats {
  readonly #marks = new Heap<Mark>();
  readonly #charge: (bytes: number) => void;
  /** Bytes that all marks take. */
  #bytes = 0;

  /** `charge` is called with every change of the bytes taken. */
  constructor(charge: (bytes: number) => void) {
    this.#charge = charge;
  }

  /**
   * Returns the offset of an append that was made before, or undefined for a new one. The writer is checked first. A
   * new append of a writer whose key was used before gets the offset of the key's first use, and counts as the writer's
   * last.
   *
   * @throws {RangeError} when a writer's number is not a whole number from 1 up, or the `ttl` of a key is negative or
   * not a number
   * @throws {Error} when a writer's number is neither its last nor the next
   */
  find(channel: Marked, marks: Marks, now: number): number | undefined {
    return findRepeat(channel.name, marks, {
      known: (kind, text) => known(channel, kind, text, now),
      remember: (once, offset) => this.remember(channel, { once }, offset, now),
    });
  }

  /** Remembers an append that was made. */
  remember(channel: Marked, { once, key }: Marks, offset: number, now: number): void {
    if (once !== undefined) this.#put(channel, "writers", once.by, now + writerTtl, offset).n = once.n;
    if (key !== undefined) this.#put(channel, "keys", key.text, now + key.ttl, offset);
  }

  #put(channel: Marked, kind: Mark["kind"], text: string, expires: number, offset: number): Mark {
    channel[kind] ??= new Map();
    const marks = channel[kind];
    let mark = marks.get(text);
    if (mark === undefined) {
      mark = new Mark(channel, kind, text, expires);
      marks.set(text, mark);
      this.#count(mark.bytes);
    }
    this.#marks.delete(mark);
    mark.expires = expires;
    mark.offset = offset;
    this.#marks.add(mark);
    return mark;
  }

  /**
   * Forgets the marks that have expired. While the rest takes more than `max` bytes, also forgets those that expire
   * next.
   */
  trim(now: number, max: number): void {
    for (let { first } = this.#marks; first !== undefined; first = this.#marks.first) {
      if (first.expires > now && this.#bytes <= max) return;
      const marks = first.channel[first.kind];
      marks?.delete(first.text);
      if (marks?.size === 0) first.channel[first.kind] = undefined;
      this.#release(first);
    }
  }

  /** Forgets everything that is remembered of a channel. */
  forget(channel: Marked): void {
    for (const mark of channel.writers?.values() ?? []) this.#release(mark);
    for (const mark of channel.keys?.values() ?? []) this.#release(mark);
    channel.writers = channel.keys = undefined;
  }

  #release(mark: Mark): void {
    this.#marks.delete(mark);
    this.#count(-mark.bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#charge(bytes);
  }
}

/** What a store remembers of the appends to one channel. */
export interface Memory {
  /** Returns the last number and the offset of a writer, or the offset of a key. */
  known(kind: Mark["kind"], text: string): { readonly n: number; readonly offset: number } | undefined;
  /** Called when the key of a writer's append was used before: the append counts as the writer's last. */
  remember(once: NonNullable<Marks["once"]>, offset: number): void;
}

/** Returns the offset of an append that was made before; see {@linkcode Repeats.find}. Every store has the same rule. */
export function findRepeat(channel: string, { once, key }: Marks, memory: Memory): number | undefined {
  if (once !== undefined) {
    const { by, n } = once;
    if (!Number.isInteger(n) || n < 1)
      throw new RangeError(`Cannot use once.n "${n}": it is not a whole number from 1 up`);
    const writer = memory.known("writers", by);
    if (writer !== undefined && n === writer.n) return writer.offset;
    if (writer !== undefined && n !== writer.n + 1) {
      const what = `${n} of writer ${JSON.stringify(by)} to ${JSON.stringify(channel)}`;
      throw new Error(`Cannot append ${what}: its last was ${writer.n}`);
    }
  }
  if (key === undefined) return undefined;
  checkBound("key.ttl", key.ttl);
  const offset = memory.known("keys", key.text)?.offset;
  if (offset !== undefined && once !== undefined) memory.remember(once, offset);
  return offset;
}

function known(channel: Marked, kind: Mark["kind"], text: string, now: number): Mark | undefined {
  const mark = channel[kind]?.get(text);
  return mark !== undefined && mark.expires > now ? mark : undefined;
}
