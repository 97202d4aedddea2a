import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Position, ReadOptions, Slice, WakeHint } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import type { Subscription } from "../delivery/subscription.ts";
import { LogWatch } from "./log-watch.ts";
import { failed, type Outage, type ReadChannel, works } from "./outage.ts";
import { SegmentCache } from "./segment-cache.ts";
import { WakeHints } from "./wake-hints.ts";

/** Publications read from the log at once. */
const batch = 512;

/**
 * The log of one channel, as far as it was read: its newest position, and the newest publications, encoded.
 *
 * A wake says that there may be news. What follows the newest position is then read, at once where the log can, and by one
 * read at a time where it cannot. What a subclass adds is who is given what was read.
 */
export abstract class ChannelLog implements ReadChannel {
  readonly name: string;
  /** The newest position that was loaded. */
  epoch = "";
  top = 0;
  /** Whether it is among those looked after in the coming turn; the turn's to say. */
  isWoken = false;
  /** There while it cannot be read. */
  outage: Outage | undefined;
  abstract readonly subscriptions: Iterable<Subscription> & { readonly size: number };
  readonly #context: Context;
  /** Calls of those who follow in this process. */
  #wakes: Set<() => void> | undefined;
  #cache: SegmentCache | undefined;
  readonly #watch: LogWatch;
  /** Whether the log may hold more than was loaded. */
  #hasNews = true;
  /** All the news there are, where wakes have brought them along. */
  #hints: WakeHints | undefined;
  #loading: Promise<number> | undefined;
  #isTended = false;

  constructor(name: string, context: Context) {
    this.name = name;
    this.#context = context;
    this.#watch = new LogWatch(context, name, (hint) => this.refresh(hint));
  }

  /** Looks after the channel once in a turn. */
  abstract tend(): Promise<void> | undefined;
  /** Ends a subscription that cannot go on without a hole. */
  abstract lose(subscription: Subscription): void;
  /** Hands on to everybody what was loaded. */
  protected abstract advanceAll(): void;
  /** Whether somebody has all that was loaded, and room for more. */
  protected abstract get isAwaited(): boolean;

  /** Settles once the log is watched, so that from then on no publication goes unnoticed. */
  opened(): MaybePromise<void> {
    return this.#watch.opened();
  }

  /** Looks into the log again: there are entries, or may be whose wake is still to come. */
  refresh(hint?: WakeHint): void {
    this.#takeHint(hint);
    this.#hasNews = true;
    if (this.subscriptions.size > 0) this.#context.turn.wakeChannel(this);
    if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();
  }

  /** Keeps what a wake has brought along, while that is all the news there are. A log that is read at once needs none. */
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

  /** Settles once `epoch` and `top` say what was in the log at the time of the call: at once, where the log can. */
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
    // A read under way may have begun too early; the next one says how far there was to go.
    await this.#loading?.catch(() => {});
    if (this.mayHaveMore) await this.#loadUpTo(this.#load(), this.epoch);
  }

  /** Loads until what was in the log when a read answered is there, or the channel begins anew. */
  async #loadUpTo(loading: MaybePromise<number>, epoch: string): Promise<void> {
    const then = await loading;
    while (this.top < then && this.epoch === epoch) await this.#load();
  }

  /** What is at hand, encoded: there since anything was read, as many channels are only waited for. */
  get cache(): SegmentCache {
    this.#cache ??= new SegmentCache(this.#context, this.name);
    return this.#cache;
  }

  /** Reads after a position with the limits that all reads for sessions have. */
  read(after: Position): MaybePromise<Slice> {
    return this.#context.log.read(this.name, { after, limit: batch });
  }

  /** Whether `top` may not be the last word: there are news, or they are just being read. */
  protected get mayHaveMore(): boolean {
    return this.#hasNews || this.#loading !== undefined;
  }

  protected get hasNews(): boolean {
    return this.#hasNews;
  }

  /** Whether what was loaded is just being handed on, and more loaded after it. */
  protected get isTended(): boolean {
    return this.#isTended;
  }

  /** Loads until there are no news, or nobody has room for more: at once, where the log can. */
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

  /** Reads what follows the top into the cache, and answers where the log ends. Calls at the same time share one read. */
  #load(): MaybePromise<number> {
    if (this.#loading !== undefined) return this.#loading;
    const hinted = this.#hints?.slice;
    this.#hints = undefined;
    this.#hasNews = false;
    if (hinted !== undefined) return this.#loaded(hinted);
    try {
      const slice = this.#context.log.read(this.name, this.#following);
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

  /** Somebody who subscribes loads, too; those who were there before are handed it in the coming turn. */
  #loaded(slice: Slice): number {
    if (this.#take(slice) && !this.#isTended) this.#context.turn.wakeChannel(this);
    return slice.top;
  }

  /** A new subscriber gets the error as its answer. The earlier ones wait until the channel is read again. */
  #failedToLoad(error: unknown): void {
    this.#hasNews = true;
    if (!this.#isTended && this.subscriptions.size > 0) failed(this, this.#context, error, "top");
  }

  /** What to read next. The first look only asks where the channel stands. */
  get #following(): ReadOptions {
    if (this.epoch === "") return { limit: 0 };
    return { after: { offset: this.top, epoch: this.epoch }, limit: batch };
  }

  /** Takes what follows the top into the cache. Answers whether it does follow: else everything begins anew. */
  #take(slice: Slice): boolean {
    works(this, this.#context, "top");
    if (this.epoch === "" || !slice.gapless) {
      this.#restart(slice);
      return false;
    }
    this.top = this.cache.add(slice.entries) ?? this.top;
    if (slice.top > this.top) this.#hasNews = true;
    return true;
  }

  /** Begins anew where the log now stands: at the first look, and when what followed the top is gone. */
  #restart(slice: Slice): void {
    const sameEpoch = slice.epoch === this.epoch;
    this.epoch = slice.epoch;
    this.top = slice.top;
    this.#cache?.drop();
    for (const subscription of [...this.subscriptions]) {
      if (!sameEpoch || subscription.cursor + 1 < slice.first) this.lose(subscription);
    }
  }

  /** Lets go of what everybody has. */
  protected trimCache(had: number): void {
    this.#cache?.trim(had);
  }

  /** Ends the watch, and lets go of all that was read. */
  protected end(): void {
    this.#cache?.drop();
    this.outage?.end();
    this.#watch.end();
  }
}
