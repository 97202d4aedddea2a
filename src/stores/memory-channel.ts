import { checkBound } from "../base/check.ts";
import { LinkedNode } from "../base/linked-list.ts";
import { SmallSet } from "../base/small-set.ts";
import {
  type Entry,
  entryCost,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
} from "../model/log.ts";
import { Block } from "./block.ts";
import { KeptEntry } from "./kept-entry.ts";
import type { Mark, Marked } from "./repeats.ts";

/** Milliseconds for which an entry over the bounds is young, and is kept while there is slack. */
const youth = 10_000;
/**
 * Entries over the bounds are put into a block once they take this many bytes. Most of their joined texts are then too
 * large for V8 to copy.
 */
const blockBytes = 524_288;
/** The blocks of most channels. Nothing is ever added to this array. */
const none: Block[] = [];

/** What is kept of a channel, and its watchers. */
export class MemoryChannel extends LinkedNode implements Marked {
  readonly name: string;
  epoch: string;
  retention: Retention;
  /** When it was last appended to, read or watched. */
  used = 0;
  top = 0;
  first = 1;
  /** What it says of itself. */
  state: string | undefined;
  isSealed = false;
  /** The marks of writers and of keys, which only `Repeats` creates and removes. */
  writers: Map<string, Mark> | undefined;
  keys: Map<string, Mark> | undefined;
  #bytes = 0;
  /** Offset of the first entry that is not known to be over `size` and `bytes`, and what the entries before it take. */
  #within = 1;
  #beyond = 0;
  /** When the oldest entry arrived, while there is one. It is copied here so that a check need not touch the entry. */
  #since = 0;
  #watchers: SmallSet<Watcher> = new SmallSet();
  /** The oldest entries, and what they take. They went over the bounds many at a time. */
  #blocks = none;
  #gathered = 0;
  /**
   * The other entries, from `#head` on. The front is cut off now and then, instead of moving all entries at every drop.
   */
  #kept: (KeptEntry<MemoryChannel> | undefined)[] = [];
  #head = 0;

  constructor(name: string, epoch: string, retention: Retention) {
    super();
    this.name = name;
    this.epoch = epoch;
    this.retention = retention;
  }

  get isIdle(): boolean {
    return this.first > this.top && this.#watchers.size === 0;
  }

  /** Whether it is in use. A sealed channel is over once its entries are gone, and may begin anew. */
  get hasBegun(): boolean {
    return this.top > 0 && !(this.isSealed && this.first > this.top);
  }

  /** Bytes of its state. V8 stores text beyond Latin-1 with two bytes for each character. */
  get stateBytes(): number {
    return this.state === undefined ? 0 : this.state.length * 2;
  }

  /** Whether the oldest entry must be trimmed. */
  isOver(now: number): boolean {
    if (this.first > this.top) return false;
    const { size, bytes, ttl, slack } = this.retention;
    const age = now - this.#since;
    if (age >= ttl) return true;
    if (this.top - this.first + 1 <= size && this.#bytes <= bytes) return false;
    return slack === 0 || age >= youth || this.#measureBeyond() > slack;
  }

  /** Returns what the entries over `size` and `bytes` take. Each entry is examined once. */
  #measureBeyond(): number {
    const { size, bytes } = this.retention;
    let within = this.#bytes - this.#beyond + (this.#within - this.first) * entryCost;
    while (this.top - this.#within + 1 > size || within > bytes) {
      const one = this.#bytesOf(this.#within++);
      within -= one;
      this.#beyond += one + entryCost;
    }
    if (this.#beyond - this.#gathered >= blockBytes) this.#gather();
    return this.#beyond;
  }

  /** Returns the index of an entry in `#kept`. It is below `#head` if the entry is in a block. */
  #at(offset: number): number {
    return this.#kept.length - 1 - this.top + offset;
  }

  #bytesOf(offset: number): number {
    const at = this.#at(offset);
    if (at >= this.#head) return (this.#kept[at] as KeptEntry<MemoryChannel>).bytes;
    return (this.#blocks.find(({ end }) => offset < end) as Block).bytesOf(offset);
  }

  /** Puts the entries over the bounds into a block. */
  #gather(): void {
    const to = this.#at(this.#within);
    const entries = this.#kept.slice(this.#head, to) as KeptEntry<MemoryChannel>[];
    const place = new KeptEntry(this, { offset: 0, data: "", time: 0, tags: undefined }, 0, 0);
    this.#blocks = [...this.#blocks, new Block(place, entries)];
    this.#gathered = this.#beyond;
    this.#kept = this.#kept.slice(to);
    this.#head = 0;
  }

  keep(kept: KeptEntry<MemoryChannel>): void {
    if (this.first > this.top) this.#since = kept.arrived;
    this.#kept.push(kept);
    this.#bytes += kept.bytes;
    this.top++;
  }

  /** Sets the retention from here on. */
  keepTo(retention: Retention): void {
    if (retention === this.retention) return;
    this.retention = retention;
    this.#within = this.first;
    this.#beyond = 0;
  }

  /** Begins the channel anew, once its entries and its state are gone. Its watchers stay. */
  begin(epoch: string, retention: Retention): void {
    this.epoch = epoch;
    this.retention = retention;
    this.isSealed = false;
    this.top = 0;
    this.first = this.#within = 1;
  }

  /** Drops the oldest entry and returns its bytes. */
  drop(): number {
    if (this.first > this.top) return 0;
    const bytes = this.#bytesOf(this.first);
    this.#bytes -= bytes;
    if (this.first++ < this.#within) this.#beyond -= bytes + entryCost;
    else this.#within++;
    const block = this.#blocks[0];
    if (block === undefined) this.#dropLoose();
    else this.#dropGathered(block, bytes);
    this.#since = this.#blocks[0]?.arrivedOf(this.first) ?? this.#kept[this.#head]?.arrived ?? 0;
    return bytes;
  }

  #dropGathered(block: Block, bytes: number): void {
    this.#gathered -= bytes + entryCost;
    if (this.first < block.end) return;
    block.leave();
    this.#blocks = this.#blocks.length === 1 ? none : this.#blocks.slice(1);
  }

  #dropLoose(): void {
    this.#kept[this.#head]?.leave();
    this.#kept[this.#head++] = undefined;
    if (this.#head * 2 < this.#kept.length) return;
    this.#kept = this.#kept.slice(this.#head);
    this.#head = 0;
  }

  /** @throws {RangeError} when `limit` or `last` cannot be used */
  read({ after, limit, last }: ReadOptions): Slice {
    this.#checkCounts(limit, last);
    const { epoch, top, first } = this;
    const gapless = after === undefined || this.#follows(after);
    const start = after === undefined ? first : after.offset + 1;
    const entries = gapless ? this.#entries(start, limit, last) : [];
    const slice: Slice & { state?: string; sealed?: boolean } = { epoch, top, first, entries, gapless };
    if (this.state !== undefined) slice.state = this.state;
    if (this.isSealed) slice.sealed = true;
    return slice;
  }

  #checkCounts(limit: number | undefined, last: number | undefined): void {
    if (limit !== undefined) checkBound("limit", limit);
    if (last === undefined) return;
    checkBound("last", last);
    if (limit === undefined) return;
    throw new RangeError(`Cannot read ${JSON.stringify(this.name)}: limit and last cannot be used together`);
  }

  /** Whether everything after a position is kept, so that reading on from it leaves no gap. */
  #follows({ epoch, offset }: Position): boolean {
    const isSameEpoch = epoch === "" || epoch === this.epoch;
    return isSameEpoch && Number.isInteger(offset) && offset + 1 >= this.first && offset <= this.top;
  }

  #entries(start: number, limit = Infinity, last = Infinity): Entry[] {
    const entries: Entry[] = [];
    const offset = Math.max(start, this.top + 1 - Math.floor(last));
    const end = Math.min(start + limit, this.top + 1);
    for (const block of this.#blocks) block.read(offset, end, entries);
    const to = this.#at(end);
    for (let at = Math.max(this.#at(offset), this.#head); at < to; at++)
      entries.push((this.#kept[at] as KeptEntry<MemoryChannel>).entry);
    return entries;
  }

  clear(): void {
    this.state = undefined;
    this.#blocks = none;
    this.#kept = [];
    this.#head = 0;
    this.first = this.#within = this.top + 1;
    this.#bytes = this.#beyond = this.#gathered = 0;
    this.#watchers = new SmallSet();
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  /** Returns whether it was watching. */
  unwatch(watcher: Watcher): boolean {
    return this.#watchers.delete(watcher);
  }

  /**
   * Wakes all watchers. One that throws must fail neither the others nor the publisher. One that was disposed by the
   * wake of another is not called.
   */
  wake(): void {
    const { only } = this.#watchers;
    if (only !== undefined) return call(only);
    // A watch that is added meanwhile comes after this append, and is not called.
    for (const watcher of [...this.#watchers]) if (this.#watchers.has(watcher)) call(watcher);
  }
}

/** A watch of a channel. */
export class Watcher implements AsyncDisposable {
  readonly #channel: MemoryChannel;
  readonly #unwatched: (channel: MemoryChannel) => void;
  readonly wake: () => void;

  constructor(channel: MemoryChannel, wake: () => void, unwatched: (channel: MemoryChannel) => void) {
    this.#channel = channel;
    this.wake = wake;
    this.#unwatched = unwatched;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#channel.unwatch(this)) this.#unwatched(this.#channel);
  }
}

function call(watcher: Watcher): void {
  try {
    watcher.wake();
  } catch {}
}
