import { byteLength, tagBytes } from "../base/bytes.ts";
import { checkBound } from "../base/check.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { LinkedNode } from "../base/linked-list.ts";
import { ClosedError } from "../model/errors.ts";
import {
  type AppendOptions,
  entryCost,
  type Log,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
} from "../model/log.ts";
import { type Bound, Bounds } from "./bounds.ts";
import { KeptEntry } from "./kept-entry.ts";
import { MemoryChannel, Watcher } from "./memory-channel.ts";
import { Repeats } from "./repeats.ts";

/** How a memory log is made. */
export interface MemoryLogOptions {
  /** Publications kept per channel; 1000 by default. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8; 1 MiB by default. */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept; 5 minutes by default. */
  ttl?: Bound | undefined;
  /**
   * Bytes that what is beyond `size` and `bytes` may take, while it is younger than 10 s; 8 MiB by default, which is 6 000
   * publications of 1 kB at once. Each of them counts 192 bytes beside its payload and tags. Past it, or past 10 s, a
   * channel is brought within `size` and `bytes`, oldest first. 0: it always is.
   */
  slack?: Bound | undefined;
  /**
   * Bytes kept in all; 256 MiB by default. Beside its payload and tags a publication counts 192 bytes, and a channel 512.
   * Past it the oldest publications of all are trimmed, then the channels longest idle are forgotten; these go first
   * while channels alone take more than half. A channel being watched is never forgotten. A writer and a key that are
   * remembered (`once`, `key`) count 256 bytes beside their text, and take a quarter of it at most: past that those nearest
   * to their end are forgotten before their time.
   */
  totalBytes?: number | undefined;
  /** What time it is; the machine's clock by default. */
  clock?: Clock | undefined;
}

/** What a channel takes beside its text, as measured on V8 and rounded up. */
const channelCost = 512;
/** Every so many uses of the log it looks at as many channels. */
const stride = 8;
/** How long a position stays valid on a channel nobody uses. */
const remembered = 24 * 3_600_000;

/**
 * Makes a log that keeps its channels in this process.
 *
 * It arms no timer: what is past its time (`ttl`, or 10 s beyond `size` and `bytes`) is never read any more, and is released
 * when its channel is next used, or as others are. Epoch and top outlive the entries: while the channel is watched or has a
 * key that counts, and for 24 hours after it was last appended to, read or watched. A channel forgotten after that gets an
 * epoch never used before.
 *
 * A bound that is a function fails its channel for good when it throws, or answers no number from 0 up: calls reject with a
 * lasting `LogError`. Once disposed, the log rejects with a `ClosedError`.
 *
 * @throws {RangeError} when a bound is negative or not a number
 * @example
 * ```ts
 * const log = memoryLog({ size: (channel) => (channel.startsWith("room:") ? 100 : 1000) });
 * const position = await log.append("room:1", '"hello"', { time: Date.now() });
 * const { entries } = await log.read("room:1", { after: { ...position, offset: 0 } });
 * ```
 */
export function memoryLog({
  size = 1000,
  bytes = 1_048_576,
  ttl = 300_000,
  slack = 8_388_608,
  totalBytes = 268_435_456,
  clock = systemClock,
}: MemoryLogOptions = {}): Log {
  const bounds = new Bounds({ size, bytes, ttl, slack });
  return new MemoryLog(bounds, checkBound("totalBytes", totalBytes), clock);
}

class MemoryLog implements Log {
  readonly #bounds: Bounds;
  readonly #totalBytes: number;
  readonly #clock: Clock;
  readonly #channels = new Map<string, MemoryChannel>();
  /** Goes round all channels, a step for every use on the average. */
  #round: Iterator<MemoryChannel> = this.#channels.values();
  #uses = 0;
  /** Channels with neither entries nor watchers, by how long they have been so. */
  #idle = new LinkedNode();
  /** The entries of all channels. */
  #kept = new LinkedNode();
  /** Which appends were made under a number or a key. */
  readonly #repeats = new Repeats((bytes) => {
    this.#total += bytes;
  });
  /** Bytes kept in all, with what entries, channels and repeats cost. */
  #total = 0;
  #prefix = "";
  #epochs = 0;
  #closed = false;

  constructor(bounds: Bounds, totalBytes: number, clock: Clock) {
    this.#bounds = bounds;
    this.#totalBytes = totalBytes;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#total;
  }

  keeps(channel: string): Retention {
    return this.#channels.get(channel)?.retention ?? this.#bounds.of(channel);
  }

  append(name: string, data: string, options: AppendOptions): Position {
    const now = this.#enter("append to", name, options.signal);
    const { time, tags, retention, once, key, place } = options;
    const channel = this.#use(name, now);
    const bounds = retention && this.#bounds.with(name, retention, channel.retention);
    const isMarked = once !== undefined || key !== undefined;
    if (isMarked) {
      const offset = this.#repeats.find(channel, options, now);
      if (offset !== undefined) return this.#repeated(channel, offset, now);
    }
    if (place !== undefined) this.#begin(channel);
    if (bounds !== undefined) channel.keepTo(bounds);
    const offset = channel.top + 1;
    const bytes = byteLength(data) + tagBytes(tags);
    const kept = new KeptEntry(channel, { offset, data, time, tags: tags && { ...tags } }, bytes, now);
    channel.keep(kept);
    kept.moveTo(this.#kept);
    this.#total += bytes + entryCost;
    if (isMarked) this.#repeats.remember(channel, options, offset, now);
    this.#place(channel);
    this.#tidy(channel, now);
    const { epoch } = channel;
    this.#sweep(now);
    channel.wake();
    return { offset, epoch };
  }

  #repeated({ epoch }: MemoryChannel, offset: number, now: number): Position {
    this.#sweep(now);
    return { offset, epoch };
  }

  /** Begins a channel anew. Where nothing was ever appended to it, it is as new as can be, and its readers stay. */
  #begin(channel: MemoryChannel): void {
    const { name, epoch, top } = channel;
    const bounds = this.#bounds.of(name);
    while (channel.first <= channel.top) this.#drop(channel);
    this.#repeats.forget(channel);
    channel.begin(top === 0 ? epoch : this.#epoch(), bounds);
  }

  read(name: string, { after, limit = Infinity, signal }: ReadOptions): Slice {
    const now = this.#enter("read", name, signal);
    checkBound("limit", limit);
    const channel = this.#use(name, now);
    const { epoch, top, first } = channel;
    const gapless = after === undefined || follows(after, channel);
    const entries = gapless ? channel.slice(after === undefined ? first : after.offset + 1, limit) : [];
    this.#sweep(now);
    return { epoch, top, first, entries, gapless };
  }

  watch(
    name: string,
    wake: () => void,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncDisposable {
    const now = this.#enter("watch", name, signal);
    const channel = this.#use(name, now);
    const watcher = new Watcher(channel, wake, this.#unwatched);
    channel.watch(watcher);
    this.#place(channel);
    this.#sweep(now);
    return watcher;
  }

  readonly #unwatched = (channel: MemoryChannel): void => {
    channel.used = this.#now;
    this.#place(channel);
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    // A watch that was never disposed holds its channel, which from here on holds nothing.
    for (const channel of this.#channels.values()) {
      this.#repeats.forget(channel);
      channel.clear();
    }
    this.#channels.clear();
    this.#idle = new LinkedNode();
    this.#kept = new LinkedNode();
    this.#total = 0;
  }

  #enter(action: string, name: string, signal: AbortSignal | undefined): number {
    if (signal?.aborted) throw signal.reason;
    if (this.#closed) throw new ClosedError(`Cannot ${action} ${JSON.stringify(name)}: the log is closed`);
    return this.#now;
  }

  get #now(): number {
    return this.#clock.now();
  }

  /** The channel as it stands now; a new one when it is unknown, or so long unused that it counts as forgotten. */
  #use(name: string, now: number): MemoryChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined || !this.#tidy(channel, now)) {
      channel = new MemoryChannel(name, this.#epoch(), this.#bounds.of(name));
      this.#channels.set(name, channel);
      this.#total += channelCost;
    }
    channel.used = now;
    this.#place(channel);
    return channel;
  }

  /** 48 random bits in twelve characters, so that two logs never make the same epoch, and a count. */
  #epoch(): string {
    this.#prefix ||= crypto.randomUUID().slice(-12);
    return this.#prefix + (this.#epochs++).toString(36);
  }

  /** Brings a channel within its own bounds, and answers whether it is still remembered. */
  #tidy(channel: MemoryChannel, now: number): boolean {
    while (channel.isOver(now)) this.#drop(channel);
    // What its keys answer must stay true until they expire.
    if (!channel.isIdle || now - channel.used < remembered || channel.keys !== undefined) return true;
    this.#forget(channel);
    return false;
  }

  /** Sees to channels nobody may be using, so that what expired is released without a timer; then to all bytes. */
  #sweep(now: number): void {
    this.#uses = (this.#uses + 1) % stride;
    if (this.#uses === 0) this.#goRound(now);
    while (this.#total > this.#totalBytes) {
      // Endless names, each read once, would otherwise leave no room for any entry.
      const isCrowded = this.#channels.size * channelCost * 2 > this.#totalBytes;
      const idle = this.#idle.newer;
      const oldest = this.#kept.newer;
      if (idle instanceof MemoryChannel && (isCrowded || this.#kept.isUnlinked)) this.#forget(idle);
      else if (oldest instanceof KeptEntry) this.#drop(oldest.channel as MemoryChannel);
      else return;
    }
  }

  #goRound(now: number): void {
    this.#repeats.trim(now, this.#totalBytes / 4);
    for (let step = 0; step < stride; step++) {
      const { value } = this.#round.next();
      if (value === undefined) this.#round = this.#channels.values();
      else this.#tidy(value, now);
    }
  }

  #drop(channel: MemoryChannel): void {
    this.#total -= channel.drop() + entryCost;
    this.#place(channel);
  }

  /** Puts a channel last among the idle, or takes it from them. */
  #place(channel: MemoryChannel): void {
    if (channel.isIdle) channel.moveTo(this.#idle);
    else channel.leave();
  }

  #forget(channel: MemoryChannel): void {
    channel.leave();
    this.#repeats.forget(channel);
    this.#channels.delete(channel.name);
    this.#total -= channelCost;
  }
}

/** Whether everything after a position is kept, so that reading on from it leaves no hole. */
function follows({ epoch, offset }: Position, { epoch: present, first, top }: MemoryChannel): boolean {
  const isSameEpoch = epoch === "" || epoch === present;
  return isSameEpoch && Number.isInteger(offset) && offset + 1 >= first && offset <= top;
}
