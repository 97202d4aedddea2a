import { handled, type MaybePromise } from "../../base/maybe-promise.ts";
import type { Position, ReadOptions, Slice, WakeHint } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import type { Subscription } from "../delivery/subscription.ts";
import { ChannelCaches } from "./channel-caches.ts";
import { LogWatch } from "./log-watch.ts";
import { failed, type Outage, type ReadChannel, works } from "./outage.ts";
import type { SegmentCache } from "./segment-cache.ts";
import { WakeHints } from "./wake-hints.ts";

/** The maximum number of publications in one read of the log. */
const batch = 512;

/**
 * The log of one channel, as far as it has been read: its newest position, and its newest publications, encoded.
 *
 * A wake means that there may be news. Then the log is read after the newest position: synchronously if the log can,
 * and otherwise with one read at a time. A subclass decides which subscriptions are handed what was read.
 */
export abstract class ChannelLog implements ReadChannel {
  readonly name: string;
  /** The newest position that was loaded. */
  epoch = "";
  top = 0;
  /** Whether the channel is listed for the coming turn. Set only by the turn. */
  isWoken = false;
  /** The current outage. Undefined while the channel can be read. */
  outage: Outage | undefined;
  abstract readonly subscriptions: Iterable<Subscription> & {
    readonly size: number;
    has(subscription: Subscription): boolean;
  };
  readonly #context: Context;
  /** The callbacks of `follow` calls in this process. */
  #wakes: Set<() => void> | undefined;
  #caches: ChannelCaches | undefined;
  readonly #watch: LogWatch;
  /** Whether the log may hold more than was loaded. */
  #hasNews = true;
  /** The hints of the wakes, if they contain all the news. Then the log need not be read. */
  #hints: WakeHints | undefined;
  #loading: Promise<number> | undefined;
  #isTended = false;

  constructor(name: string, context: Context) {
    this.name = name;
    this.#context = context;
    this.#watch = new LogWatch(context, name, (hint) => this.refresh(hint));
  }

  /** Does the work of the channel once in a turn. */
  abstract tend(): Promise<void> | undefined;
  /** Ends a subscription that cannot continue without a gap. */
  abstract lose(subscription: Subscription): void;
  /** Hands what was loaded to all subscriptions. */
  protected abstract advanceAll(): void;
  /** Whether a subscription has everything that was loaded, and has room for more. */
  protected abstract get isAwaited(): boolean;

  /** Settles once the log is watched. From then on no publication goes unnoticed. */
  opened(): MaybePromise<void> {
    return this.#watch.opened();
  }

  /**
   * Continues with a subscription of an earlier process, from where that had read the log to. If the log cannot be
   * watched, all subscriptions end, so that their clients come back.
   */
  protected continueWith(subscription: Subscription): void {
    if (this.epoch === "") {
      this.epoch = subscription.epoch;
      this.top = subscription.cursor;
    }
    const failed = (error: unknown): void => {
      this.#context.report(error, "log", `channel ${this.name}`);
      for (const each of [...this.subscriptions]) this.lose(each);
    };
    // Nothing can be rejected: neither `failed` nor loading throws.
    void handled(
      () => this.opened(),
      () => this.#loadFor(subscription),
      failed,
    );
  }

  /**
   * Loads the first news, even if nobody has room for them, so that those who wait for room are served in the same order
   * as before. A failure has been noted, and the read is repeated.
   */
  #loadFor(subscription: Subscription): void {
    this.#context.turn.wakeChannel(this);
    const loaded = (): void => {
      // A log that has lost its end would otherwise leave a hole.
      const isAhead = subscription.cursor > this.top && !this.mayHaveMore;
      if (!this.subscriptions.has(subscription)) return;
      if (subscription.epoch !== this.epoch || isAhead) this.lose(subscription);
    };
    void handled<number | undefined, void>(
      () => this.#loading ?? (this.#hasNews ? this.#load() : undefined),
      loaded,
      ignore,
    );
  }

  /** Notes that the log has new entries, or may have entries for which no wake has come yet. */
  refresh(hint?: WakeHint): void {
    this.#takeHint(hint);
    this.#hasNews = true;
    if (this.subscriptions.size > 0) this.#context.turn.wakeChannel(this);
    if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();
  }

  /** Keeps the hint of a wake while the hints contain all the news. A log that is read synchronously needs no hints. */
  #takeHint(hint: WakeHint | undefined): void {
    if (hint === undefined && this.#hints === undefined) return;
    const isFirst = !this.#hasNews && this.outage === undefined && !this.#context.log.isAtOnce;
    if (hint !== undefined && isFirst)
      this.#hints = new WakeHints({ offset: this.top, epoch: this.epoch }, this.#context.settings.window);
    if (this.#hints?.add(hint) !== true) this.#hints = undefined;
  }

  /** Calls `wake` on every append from now on, until the returned function is called. */
  onWake(wake: () => void): () => void {
    this.#wakes ??= new Set();
    this.#wakes.add(wake);
    return () => this.#wakes?.delete(wake);
  }

  /**
   * Settles once `epoch` and `top` cover everything that was in the log at the time of the call. It is synchronous if
   * the log is.
   */
  current(): MaybePromise<void> {
    const opened = this.opened();
    if (opened !== undefined || this.#loading !== undefined) return this.#currentLater(opened);
    while (this.#hasNews) {
      const { epoch } = this;
      const loading = this.#load();
      if (loading instanceof Promise) return this.#loadUpTo(loading, epoch);
    }
    return undefined;
  }

  async #currentLater(opened: MaybePromise<void>): Promise<void> {
    await opened;
    // A read in progress may have begun before the call. The result of the next read tells how far to load.
    await this.#loading?.catch(() => {});
    if (this.mayHaveMore) await this.#loadUpTo(this.#load(), this.epoch);
  }

  /** Loads until the top that a read has returned is reached, or the epoch changes. */
  async #loadUpTo(loading: MaybePromise<number>, epoch: string): Promise<void> {
    const target = await loading;
    while (this.top < target && this.epoch === epoch) await this.#load();
  }

  /**
   * The publications as a codec encodes them. Created when first needed: on many channels subscribers only wait, and
   * nothing is ever read.
   */
  cacheOf(codec: Codec): SegmentCache {
    return this.#cachesHere.of(codec);
  }

  get #cachesHere(): ChannelCaches {
    this.#caches ??= new ChannelCaches(this.#context, this.name);
    return this.#caches;
  }

  /** Called when a subscription enters: what is read from now on is encoded for its codec, too. */
  protected readBy(codec: Codec): void {
    if (this.#caches !== undefined || codec !== this.#context.codec) this.cacheOf(codec).readers++;
  }

  /** Called when a subscription leaves. */
  protected leftBy(codec: Codec): void {
    this.#caches?.left(codec);
  }

  /** Reads after a position, with the limit of all reads for sessions. */
  read(after: Position): MaybePromise<Slice> {
    return this.#context.log.read(this.name, { after, limit: batch });
  }

  /** Whether the log may hold more than `top`: there are news, or they are being read. */
  protected get mayHaveMore(): boolean {
    return this.#hasNews || this.#loading !== undefined;
  }

  protected get hasNews(): boolean {
    return this.#hasNews;
  }

  /** Whether `loadAll` is in progress: it hands on what was loaded, and then loads more. */
  protected get isTended(): boolean {
    return this.#isTended;
  }

  /** Loads until there are no news, or no subscription has room for more. It is synchronous if the log is. */
  protected loadAll(): Promise<void> | undefined {
    this.#isTended = true;
    let loading: MaybePromise<number> | undefined;
    try {
      do {
        loading = this.#load();
        if (loading instanceof Promise) return this.#loadRest(loading);
        this.advanceAll();
      } while (this.#hasNews && this.isAwaited);
    } catch (error) {
      failed(this, this.#context, error, "top");
    } finally {
      this.#isTended = loading instanceof Promise;
    }
    return undefined;
  }

  async #loadRest(loading: Promise<number>): Promise<void> {
    try {
      await loading;
      this.advanceAll();
      while (this.#hasNews && this.isAwaited) {
        await this.#load();
        this.advanceAll();
      }
    } catch (error) {
      failed(this, this.#context, error, "top");
    } finally {
      this.#isTended = false;
    }
  }

  /**
   * Reads the entries after the top into the cache, and returns the top of the log. Concurrent calls share one read.
   */
  #load(): MaybePromise<number> {
    if (this.#loading !== undefined) return this.#loading;
    const hinted = this.#hints?.slice;
    this.#hints = undefined;
    this.#hasNews = false;
    if (hinted !== undefined) return this.#loaded(this.#context.log.take(this.name, hinted));
    try {
      const slice = this.#context.log.read(this.name, this.#nextRead);
      if (!(slice instanceof Promise)) return this.#loaded(slice);
      this.#loading = this.#loadLater(slice);
      return this.#loading;
    } catch (error) {
      this.#failedToLoad(error);
      throw error;
    }
  }

  async #loadLater(reading: Promise<Slice>): Promise<number> {
    try {
      return this.#loaded(await reading);
    } catch (error) {
      this.#failedToLoad(error);
      throw error;
    } finally {
      this.#loading = undefined;
    }
  }

  /**
   * Handles a finished read. A new subscription also causes reads; the existing subscriptions are handed the entries in
   * the coming turn.
   */
  #loaded(slice: Slice): number {
    if (this.#take(slice) && !this.#isTended) this.#context.turn.wakeChannel(this);
    return slice.top;
  }

  /**
   * Notes a failed read. A new subscriber gets the error as its reply. The existing subscriptions wait for the next
   * read.
   */
  #failedToLoad(error: unknown): void {
    this.#hasNews = true;
    if (!this.#isTended && this.subscriptions.size > 0) failed(this, this.#context, error, "top");
  }

  /** The options of the next read. The first read only gets the position of the channel. */
  get #nextRead(): ReadOptions {
    if (this.epoch === "") return { limit: 0 };
    return { after: { offset: this.top, epoch: this.epoch }, limit: batch };
  }

  /**
   * Takes the entries of a read into the cache. Returns whether they follow the top. If not, the channel starts over.
   */
  #take(slice: Slice): boolean {
    works(this, this.#context, "top");
    // A log may continue an epoch in another. Subscriptions then end, and their clients come back without a gap.
    if (this.epoch === "" || !slice.gapless || slice.epoch !== this.epoch) {
      this.#restart(slice);
      return false;
    }
    this.top = this.#cachesHere.add(slice.entries) ?? this.top;
    if (slice.top > this.top) this.#hasNews = true;
    return true;
  }

  /**
   * Starts over at the top of the log: at the first read, and when entries after the known top are gone. Ends the
   * subscriptions that would have a gap.
   */
  #restart(slice: Slice): void {
    const sameEpoch = slice.epoch === this.epoch;
    this.epoch = slice.epoch;
    this.top = slice.top;
    this.#caches?.drop();
    for (const subscription of [...this.subscriptions]) {
      const { cursor } = subscription;
      if (!sameEpoch || cursor + 1 < slice.first || cursor > slice.top) this.lose(subscription);
    }
  }

  /** Drops the segments that every subscription has been handed. `minCursor` is the smallest cursor. */
  protected trimCache(minCursor: number): void {
    this.#caches?.trim(minCursor);
  }

  /** Ends the watch, and drops everything that was read. */
  protected end(): void {
    this.#caches?.drop();
    this.outage?.end();
    this.#watch.end();
  }
}

function ignore(): void {}
