import { byteLength } from "../base/bytes.ts";
import { checkBound } from "../base/check.ts";
import { type Expiring, Heap } from "../base/heap.ts";
import type { AppendOptions } from "../model/log.ts";

/** What makes an append recognisable when it is sent again. */
export type Marks = Pick<AppendOptions, "once" | "key">;

/** Milliseconds for which a writer is remembered after its last append. */
const writerTtl = 600_000;
/** What a writer or a key takes beside its text, as measured on V8 and rounded up. */
const markCost = 256;

/** A channel that remembers appends. */
export interface Marked {
  readonly name: string;
  /** Who appended under a number, and what was appended under a key; made and let go of by {@linkcode Repeats}. */
  writers: Map<string, Mark> | undefined;
  keys: Map<string, Mark> | undefined;
}

/** A writer or a key of a channel, and where the append stands that it is remembered for. */
export class Mark implements Expiring {
  readonly channel: Marked;
  readonly kind: "writers" | "keys";
  readonly text: string;
  readonly bytes: number;
  expires: number;
  place = -1;
  order = 0;
  /** A writer's last number. */
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

/** Remembers which appends were made, so that one that is sent again is made once. */
export class Repeats {
  readonly #marks = new Heap<Mark>();
  readonly #charge: (bytes: number) => void;
  /** Bytes that all of them take. */
  #bytes = 0;

  /** `charge` hears of every byte more, and less. */
  constructor(charge: (bytes: number) => void) {
    this.#charge = charge;
  }

  /**
   * Answers the offset of an append that was made before; undefined when it is a new one. The writer counts first. A new
   * append of a writer whose key was used is answered with the key's first use, and counts as the writer's last.
   *
   * @throws {Error} when a writer's number is neither its last nor the next
   */
  find(channel: Marked, { once, key }: Marks, now: number): number | undefined {
    if (once !== undefined) {
      const { by, n } = once;
      if (!Number.isInteger(n) || n < 1)
        throw new RangeError(`Cannot use once.n "${n}": it is not a whole number from 1 up`);
      const writer = known(channel, "writers", by, now);
      if (writer !== undefined && n === writer.n) return writer.offset;
      if (writer !== undefined && n !== writer.n + 1) {
        const what = `${n} of writer ${JSON.stringify(by)} to ${JSON.stringify(channel.name)}`;
        throw new Error(`Cannot append ${what}: its last was ${writer.n}`);
      }
    }
    if (key === undefined) return undefined;
    checkBound("key.ttl", key.ttl);
    const offset = known(channel, "keys", key.text, now)?.offset;
    if (offset !== undefined) this.remember(channel, { once }, offset, now);
    return offset;
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

  /** Forgets what is past its time, and then, while all takes more than `most` bytes, what would be next. */
  trim(now: number, most: number): void {
    for (let { first } = this.#marks; first !== undefined; first = this.#marks.first) {
      if (first.expires > now && this.#bytes <= most) return;
      const marks = first.channel[first.kind];
      marks?.delete(first.text);
      if (marks?.size === 0) first.channel[first.kind] = undefined;
      this.#release(first);
    }
  }

  /** Forgets all that a channel is remembered for. */
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

function known(channel: Marked, kind: Mark["kind"], text: string, now: number): Mark | undefined {
  const mark = channel[kind]?.get(text);
  return mark !== undefined && mark.expires > now ? mark : undefined;
}
