import type { Entry } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import { encodeSegments, type Segment } from "./segment.ts";

/** What most channels have at most times; nothing is ever added to it. */
const none: Segment[] = [];

/** Segments read for sessions that are behind, kept in case others are at the same place. */
const asideSegments = 8;

/**
 * The encoded publications of a channel that are at hand: the newest, and a few that somebody behind has asked for.
 *
 * It only saves encoding and reading again; whatever is not here is in the log.
 */
export class SegmentCache {
  readonly #context: Context;
  readonly #channel: string;
  /** What stands before each publication, once there was one. */
  #head: string | undefined;
  /** Consecutive, the newest last. */
  #newest: Segment[] = none;
  #newestBytes = 0;
  /** From anywhere, the last added first. */
  #aside: Segment[] = none;

  constructor(context: Context, channel: string) {
    this.#context = context;
    this.#channel = channel;
  }

  /** The segment that holds what comes right after an offset. */
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

  /** Adds entries behind the newest, as many as are worth encoding at once. Answers the offset of the last one. */
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

  /** Adds entries from elsewhere in the log, unless they are at hand. */
  addAside(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined || this.after(first.offset - 1) !== undefined) return;
    const segments = this.#encode(entries);
    this.#aside = [...segments, ...this.#aside];
    for (const segment of segments) this.#context.cache.bytes += segment.bytes;
    const most = this.#context.cache.isFull ? segments.length : asideSegments;
    while (this.#aside.length > most) this.#context.cache.bytes -= (this.#aside.pop() as Segment).bytes;
  }

  /** A segment takes a quarter of a window at most, so that a full one never waits for an empty window. */
  #encode(entries: readonly Entry[]): Segment[] {
    const { codec, settings } = this.#context;
    const most = Math.min(65_536, settings.window / 4);
    this.#head ??= codec.pushHead(this.#channel, "pub");
    return encodeSegments(codec, this.#head, firstOf(entries, settings.window), most);
  }

  /** Lets go of what everybody has, and of all but the newest two windows' worth: who is further behind reads the log. */
  trim(had: number): void {
    const most = this.#context.cache.isFull ? 0 : this.#context.settings.window * 2;
    let gone = 0;
    while (gone < this.#newest.length) {
      const { bytes, last } = this.#newest[gone] as Segment;
      if (this.#newestBytes <= most && last > had) break;
      gone++;
      this.#newestBytes -= bytes;
      this.#context.cache.bytes -= bytes;
    }
    if (gone === this.#newest.length) this.#newest = none;
    else if (gone > 0) this.#newest.splice(0, gone);
  }

  drop(): void {
    for (const { bytes } of this.#aside) this.#context.cache.bytes -= bytes;
    this.#context.cache.bytes -= this.#newestBytes;
    this.#newest = none;
    this.#newestBytes = 0;
    this.#aside = none;
  }
}

/** The first entries, whose payloads take as much as is worth encoding at once; one at least. */
function firstOf(entries: readonly Entry[], chars: number): readonly Entry[] {
  let sum = 0;
  for (let i = 0; i < entries.length; i++) {
    sum += (entries[i] as Entry).data.length;
    if (sum > chars && i > 0) return entries.slice(0, i);
  }
  return entries;
}
