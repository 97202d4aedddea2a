import type { Entry } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { encodeSegments, type Segment } from "./segment.ts";

/** The empty list that most channels have most of the time. Nothing is ever added to it. */
const none: Segment[] = [];

/**
 * The maximum number of segments that were read for subscriptions that are behind. They are kept in case other
 * subscriptions are at the same position.
 */
const asideSegments = 8;

/**
 * The publications of a channel, encoded by one codec: the newest, and a few older ones that subscriptions have requested.
 *
 * It only saves reads and encoding. Everything else is in the log.
 */
export class SegmentCache {
  readonly codec: Codec;
  /** Number of subscriptions that have entered since it was created and not left. */
  readers = 0;
  readonly #context: Context;
  readonly #channel: string;
  /** What each push begins with. Undefined until the first publication. */
  #head: string | undefined;
  /** Consecutive segments, the newest last. */
  #newest: Segment[] = none;
  #newestBytes = 0;
  /** Segments from other parts of the log, the last added first. */
  #aside: Segment[] = none;

  constructor(context: Context, channel: string, codec: Codec) {
    this.#context = context;
    this.codec = codec;
    this.#channel = channel;
  }

  /** Returns the segment that holds the publication right after an offset. */
  after(offset: number): Segment | undefined {
    const newest = this.#newest;
    const first = newest[0];
    const last = newest[newest.length - 1];
    if (first !== undefined && last !== undefined && offset >= first.first - 1 && offset < last.last) {
      if (offset >= last.first - 1) return last;
      let low = 0;
      let high = newest.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((newest[middle] as Segment).last > offset) high = middle;
        else low = middle + 1;
      }
      return newest[low];
    }
    return this.#aside.length === 0 ? undefined : this.#asideAfter(offset);
  }

  #asideAfter(offset: number): Segment | undefined {
    return this.#aside.find((segment) => segment.first <= offset + 1 && offset < segment.last);
  }

  /**
   * Adds entries after the newest ones, as many as are worth encoding at once. Returns the offset of the last one
   * added.
   */
  add(entries: readonly Entry[]): number | undefined {
    const segments = this.#encode(entries);
    if (this.#newest.length === 0) this.#newest = segments;
    else this.#newest.push(...segments);
    for (const segment of segments) {
      this.#newestBytes += segment.bytes;
      this.#context.cache.bytes += segment.bytes;
    }
    return segments.at(-1)?.last;
  }

  /** Adds entries from another part of the log, unless they are cached. */
  addAside(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined || this.after(first.offset - 1) !== undefined) return;
    const segments = this.#encode(entries);
    this.#aside = [...segments, ...this.#aside];
    for (const segment of segments) this.#context.cache.bytes += segment.bytes;
    const maxSegments = this.#context.cache.isFull ? segments.length : asideSegments;
    while (this.#aside.length > maxSegments)
      this.#context.cache.bytes -= (this.#aside.pop() as Segment).bytes;
  }

  /**
   * A segment takes at most a quarter of a window, so that a full segment does not have to wait until the window is
   * empty.
   */
  #encode(entries: readonly Entry[]): Segment[] {
    const { settings } = this.#context;
    const { codec } = this;
    const maxBytes = Math.min(65_536, settings.window / 4);
    this.#head ??= codec.pubHead(this.#channel);
    return encodeSegments(codec, this.#head, firstOf(entries, settings.window), maxBytes);
  }

  /**
   * Drops the segments that every subscription has been handed, and the oldest above a total of two windows.
   * Subscriptions that are further behind read the log.
   */
  trim(minCursor: number): void {
    const maxBytes = this.#context.cache.isFull ? 0 : this.#context.settings.window * 2;
    let dropped = 0;
    while (dropped < this.#newest.length) {
      const { bytes, last } = this.#newest[dropped] as Segment;
      if (this.#newestBytes <= maxBytes && last > minCursor) break;
      dropped++;
      this.#newestBytes -= bytes;
      this.#context.cache.bytes -= bytes;
    }
    if (dropped === this.#newest.length) this.#newest = none;
    else if (dropped > 0) this.#newest.splice(0, dropped);
  }

  drop(): void {
    for (const { bytes } of this.#aside) this.#context.cache.bytes -= bytes;
    this.#context.cache.bytes -= this.#newestBytes;
    this.#newest = none;
    this.#newestBytes = 0;
    this.#aside = none;
  }
}

/**
 * Returns the first entries, with payloads of at most `chars` characters together, but at least one entry. That is as
 * much as is worth encoding at once.
 */
function firstOf(entries: readonly Entry[], chars: number): readonly Entry[] {
  let sum = 0;
  for (let i = 0; i < entries.length; i++) {
    sum += (entries[i] as Entry).data.length;
    if (sum > chars && i > 0) return entries.slice(0, i);
  }
  return entries;
}
