import { byteLength, tagBytes } from "../base/bytes.ts";
import { checkBound } from "../base/check.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { LinkedNode } from "../base/linked-list.ts";
import { ClosedError, ExistsError, SealedError } from "../model/errors.ts";
import {
  type AppendOptions,
  entryCost,
  type Log,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
} from "../model/log.ts";
import { type Bound, type BoundsOf, boundsByName } from "./bounds.ts";
import { KeptEntry } from "./kept-entry.ts";
import { MemoryChannel, Watcher } from "./memory-channel.ts";
import { Repeats } from "./repeats.ts";

/** Options of `memoryLog`. */
export interface MemoryLogOptions {
  /** Publications kept per channel. Default 1 000. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8. Default 1 048 576 (1 MiB). */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept. Default 300 000 (5 min). */
  ttl?: Bound | undefined;
  /**
   * Bytes that publications over `size` and `bytes` may take while they are younger than 10 s. Each of them counts 192
   * bytes besides its payload and tags. Above `slack`, or after 10 s, a channel is trimmed to `size` and `bytes`,
   * oldest first. 0: it always is. Default 8 388 608 (8 MiB), which holds about 7 000 publications of 1 kB at once.
   */
  slack?: Bound | undefined;
  /**
   * Bytes kept in total. A publication counts 192 bytes besides its payload and tags, and a channel 512 besides its
   * state, which counts 2 for each character. Above this limit, the oldest publications of all channels are trimmed,
   * and then the channels that were idle longest are forgotten. While channels alone take more than half, idle channels
   * are forgotten first. A watched channel is never forgotten. A remembered writer or key (`once`, `key`) counts 256
   * bytes besides its text. Writers and keys take at most a quarter of the total: above that, those that expire next are
   * forgotten early. Default 268 435 456 (256 MiB).
   */
  totalBytes?: number | undefined;
  /** The source of the time. Default: the clock of the machine. */
  clock?: Clock | undefined;
}

/** The bounds of a log in memory, where its options say nothing. */
export const defaults: Retention = { size: 1_000, bytes: 1_048_576, ttl: 300_000, slack: 8_388_608 };
/** Bytes that a channel takes besides its text, measured on V8 and rounded up. */
const channelCost = 512;
/** Characters that a state may have. */
const maxState = 4_096;
/** Once every so many calls, the log checks as many channels. */
const stride = 8;
/** Milliseconds for which a position stays valid on a channel that nobody uses. */
const positionTtl = 24 * 3_600_000;

/**
 * Creates a log that keeps its channels in the memory of this process.
 *
 * It arms no timer. An entry that has expired (by `ttl`, or by 10 s over `size` and `bytes`) is never read any more. It
 * is released when its channel is next used, or when other channels are. Epoch and top outlive the entries: while the
 * channel is watched or has a key that is remembered, and for 24 hours after it was last appended to, read or watched.
 * A channel that is forgotten after that gets an epoch that was never used before.
 *
 * State and seal of a channel outlive its entries, and are forgotten with its epoch. Everything is lost with the
 * process. So this log has neither `commit` nor `join`, takes no notice of `hold`, and an epoch of it has no lineage.
 *
 * A function given as a bound is not asked for channels whose names begin with `"\0"`, which are reserved. If it throws, or
 * does not return a number from 0 up, its channel fails for good: calls reject with a lasting `LogError`. Once disposed, the log rejects with a `ClosedError`.
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
  size = defaults.size,
  bytes = defaults.bytes,
  ttl = defaults.ttl,
  slack = defaults.slack,
  totalBytes = 268_435_456,
  clock = systemClock,
}: MemoryLogOptions = {}): Log {
  const boundsOf = boundsByName({ size, bytes, ttl, slack }, defaults);
  return new MemoryLog(boundsOf, checkBound("totalBytes", totalBytes), clock);
}

class MemoryLog implements Log {
  readonly #boundsOf: BoundsOf;
  readonly #totalBytes: number;
  readonly #clock: Clock;
  readonly #channels = new Map<string, MemoryChannel>();
  /** Iterates over all channels again and again, on average one channel per call of the log. */
  #round: Iterator<MemoryChannel> = this.#channels.values();
  #uses = 0;
  /** Channels with neither entries nor watchers, the longest idle first. */
  #idle = new LinkedNode();
  /** The entries of all channels, the oldest first. */
  #kept = new LinkedNode();
  /** Remembers the appends with a number or a key. */
  readonly #repeats = new Repeats((bytes) => {
    this.#total += bytes;
  });
  /** Bytes kept in total, including what entries, channels and repeats cost. */
  #total = 0;
  /** Bytes that channels and their states take, which are part of the total. */
  #channelBytes = 0;
  #prefix = "";
  #epochs = 0;
  #closed = false;

  constructor(boundsOf: BoundsOf, totalBytes: number, clock: Clock) {
    this.#boundsOf = boundsOf;
    this.#totalBytes = totalBytes;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#total;
  }

  keeps(channel: string): Retention {
    return this.#channels.get(channel)?.retention ?? this.#boundsOf(channel).of(channel);
  }

  append(name: string, data: string, options: AppendOptions): Position {
    const now = this.#enter("append to", name, options.signal);
    const { time, tags, retention, once, key, place, state } = options;
    const channel = this.#use(name, now);
    const bounds = retention && this.#boundsOf(name).with(name, retention, channel.retention);
    const isMarked = once !== undefined || key !== undefined;
    if (isMarked) {
      const offset = this.#repeats.find(channel, options, now);
      if (offset !== undefined) return this.#repeated(channel, offset, now);
    }
    const bytes = byteLength(data) + tagBytes(tags);
    if (state !== undefined) checkState(name, state);
    if (place === "first") this.#begin(channel);
    else if (channel.isSealed) throw new SealedError(name);
    // From here on nothing throws: an append that throws has changed nothing.
    if (bounds !== undefined) channel.keepTo(bounds);
    if (place === "last") channel.sealedAt = now;
    if (state !== undefined) this.#describe(channel, state);
    const offset = channel.top + 1;
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

  /** Begins a channel anew. A channel in which nothing was ever appended keeps its epoch, so its readers stay valid. */
  #begin(channel: MemoryChannel): void {
    const { name, epoch, top } = channel;
    if (channel.hasBegun) throw new ExistsError(name);
    const bounds = this.#boundsOf(name).of(name);
    this.#repeats.forget(channel);
    this.#describe(channel, undefined);
    channel.begin(top === 0 ? epoch : this.#epoch(), bounds);
  }

  #describe(channel: MemoryChannel, state: string | undefined): void {
    const before = channel.stateBytes;
    channel.state = state;
    this.#count(channel.stateBytes - before);
  }

  /** Counts bytes that a channel takes without its entries. */
  #count(bytes: number): void {
    this.#channelBytes += bytes;
    this.#total += bytes;
  }

  read(name: string, options: ReadOptions): Slice {
    const now = this.#enter("read", name, options.signal);
    const slice = this.#use(name, now).read(options);
    this.#sweep(now);
    return slice;
  }

  watch(name: string, wake: () => void): AsyncDisposable {
    const now = this.#enter("watch", name, undefined);
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
    // A watch that was never disposed refers to its channel, so the channel must release everything here.
    for (const channel of this.#channels.values()) {
      this.#repeats.forget(channel);
      channel.clear();
    }
    this.#channels.clear();
    this.#idle = new LinkedNode();
    this.#kept = new LinkedNode();
    this.#total = this.#channelBytes = 0;
  }

  #enter(action: string, name: string, signal: AbortSignal | undefined): number {
    if (signal?.aborted) throw signal.reason;
    if (this.#closed) throw new ClosedError(`Cannot ${action} ${JSON.stringify(name)}: the log is closed`);
    return this.#now;
  }

  get #now(): number {
    return this.#clock.now();
  }

  /**
   * Returns the channel after trimming it. Creates it if it is unknown, or unused for so long that it counts as
   * forgotten.
   */
  #use(name: string, now: number): MemoryChannel {
    let channel = this.#channels.get(name);
    if (channel === undefined || !this.#tidy(channel, now)) {
      channel = new MemoryChannel(name, this.#epoch(), this.#boundsOf(name).of(name));
      this.#channels.set(name, channel);
      this.#count(channelCost);
    }
    channel.used = now;
    this.#place(channel);
    return channel;
  }

  /**
   * Returns a new epoch: 48 random bits in twelve characters, so that two logs never make the same epoch, and a count.
   */
  #epoch(): string {
    this.#prefix ||= crypto.randomUUID().slice(-12);
    return this.#prefix + (this.#epochs++).toString(36);
  }

  /** Trims a channel to its own bounds, and returns whether it is still remembered. */
  #tidy(channel: MemoryChannel, now: number): boolean {
    while (channel.isOver(now)) this.#drop(channel);
    // The result for its keys must stay true until they expire.
    if (!channel.isIdle || now - channel.used < positionTtl || channel.keys !== undefined) return true;
    this.#forget(channel);
    return false;
  }

  /**
   * Checks some channels that may be unused, so that what expired is released without a timer. Then trims to
   * `totalBytes`.
   */
  #sweep(now: number): void {
    this.#uses = (this.#uses + 1) % stride;
    if (this.#uses === 0) this.#goRound(now);
    while (this.#total > this.#totalBytes) {
      // Otherwise an endless number of names, each read once, would leave no room for entries.
      const isCrowded = this.#channelBytes * 2 > this.#totalBytes;
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

  /** Adds a channel to the end of the idle ones, or removes it from them. */
  #place(channel: MemoryChannel): void {
    if (channel.isIdle) channel.moveTo(this.#idle);
    else channel.leave();
  }

  #forget(channel: MemoryChannel): void {
    channel.leave();
    this.#repeats.forget(channel);
    this.#channels.delete(channel.name);
    this.#count(-channelCost - channel.stateBytes);
  }
}

/** @throws {RangeError} when a state is too long */
export function checkState(name: string, { length }: string): void {
  if (length <= maxState) return;
  const why = `it has ${length} characters, and may have ${maxState}`;
  throw new RangeError(`Cannot use the state of ${JSON.stringify(name)}: ${why}`);
}
