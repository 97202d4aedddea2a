import type { Counts } from "../../base/counts.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import { SmallSet } from "../../base/small-set.ts";
import type { Position, ReadOptions, Slice } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import type { Ledger } from "../delivery/ledger.ts";
import { caughtUp, fallBehind, type MissedNotices } from "../delivery/missed-notices.ts";
import type { ChannelDeliveries, Followed, Subscription } from "../delivery/subscription.ts";
import { isAnyoneAt } from "../delivery/subscriptions.ts";
import { patience } from "../log/burst.ts";
import { Announcements } from "./announcements.ts";
import { LogWatch } from "./log-watch.ts";
import { failed, isPausing, type Outage, type ReadChannel, works } from "./outage.ts";
import { pieceOf } from "./segment.ts";
import { SegmentCache } from "./segment-cache.ts";

/** What a channel needs beside. */
export interface ChannelContext extends Context {
  readonly ledger: Ledger;
  readonly notices: MissedNotices;
  /** Nobody is on a channel any more. */
  emptied(channel: string): void;
}

/** Publications read from the log at once. */
const batch = 512;

/**
 * A channel while somebody is on it: the newest publications, encoded, and everybody's place.
 *
 * There is one way for data: a wake says that there may be news, entries are read after a cursor, and whoever is behind
 * catches up by the same steps. A session without room keeps its cursor and costs nothing.
 */
export class Channel implements Followed, ReadChannel {
  readonly name: string;
  /** Those who are subscribed, in the order in which they came. */
  readonly subscriptions: SmallSet<Subscription> = new SmallSet();
  /** The newest position that was loaded. */
  epoch = "";
  top = 0;
  /** What of it is waited for, if anything. */
  deliveries: ChannelDeliveries | undefined;
  /** How many sessions each user has there, since somebody has asked how many users there are. */
  users: Counts<string> | undefined;
  /** Whether it is among those looked after in the coming turn; the context's to say. */
  isWoken = false;
  /** There while it cannot be read. */
  outage: Outage | undefined;
  readonly #context: ChannelContext;
  /** Calls of those who follow in this process. */
  #wakes: Set<() => void> | undefined;
  #tail: SegmentCache | undefined;
  readonly #watch: LogWatch;
  /** Whether the log may hold more than was loaded. */
  #news = true;
  #uses = 0;
  /** There since somebody has wanted to hear of others coming and going. */
  #announcements: Announcements | undefined;
  #loading: Promise<number> | undefined;
  #tending = false;
  #gone = false;

  constructor(name: string, context: ChannelContext) {
    this.name = name;
    this.#context = context;
    this.#watch = new LogWatch(context, name, () => this.refresh());
    this.deliveries = context.ledger.of(name);
  }

  /** Keeps the channel open until the returned function is called. */
  use(): () => void {
    this.#uses++;
    return () => {
      this.#uses--;
      this.#letGo();
    };
  }

  /** Settles once the log is watched, so that from then on no publication goes unnoticed. */
  opened(): MaybePromise<void> {
    return this.#watch.opened();
  }

  /** Looks into the log again: there are entries, or may be whose wake is still to come. */
  refresh(): void {
    this.#news = true;
    if (this.subscriptions.size > 0) this.#context.turn.wakeChannel(this);
    if (this.#wakes !== undefined) for (const wake of [...this.#wakes]) wake();
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
    while (this.#news) {
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
    if (this.#mayHaveMore) await this.#loadUpTo(this.#load(), this.epoch);
  }

  /** Loads until what was in the log when a read answered is there, or the channel begins anew. */
  async #loadUpTo(loading: MaybePromise<number>, epoch: string): Promise<void> {
    const then = await loading;
    while (this.top < then && this.epoch === epoch) await this.#load();
  }

  /**
   * Adds a subscription, which gets all after its cursor, and its share of what comes.
   *
   * Its cursor is a place in its epoch: a channel that was begun anew since then has lost it.
   */
  add(subscription: Subscription): void {
    this.subscriptions.add(subscription);
    if (subscription.joins) {
      this.#announcements ??= new Announcements(this.#context, this);
      this.#announcements.listeners++;
    }
    this.users?.add(subscription.session.peer.user);
    this.#announcements?.note(subscription.session, "join");
    if (subscription.epoch === this.epoch) this.#advance(subscription);
    else this.lose(subscription);
  }

  remove(subscription: Subscription): void {
    if (!this.subscriptions.delete(subscription)) return;
    this.#context.ledger.left(subscription);
    if (subscription.joins && this.#announcements !== undefined) this.#announcements.listeners--;
    this.users?.add(subscription.session.peer.user, -1);
    this.#announcements?.note(subscription.session, "leave");
    this.#letGo();
  }

  /** Looks after the channel once in a turn. The promise, if there is work, never rejects. */
  tend(): Promise<void> | undefined {
    const isEmpty = this.subscriptions.size === 0;
    this.#announcements?.tell();
    if (isEmpty && this.#uses === 0) this.#close();
    if (isEmpty || this.#tending) return undefined;
    if (this.#news && !isPausing(this) && isAnyoneAt(this.subscriptions, this.top)) return this.#loadAll();
    this.#advanceAll();
    return undefined;
  }

  /** Somebody who had no room has some again. */
  resume(subscription: Subscription): void {
    if (subscription.waits !== "room") return;
    subscription.waits = undefined;
    this.#advance(subscription);
  }

  /** Whether a subscription has been handed everything there is. */
  isCaughtUp(subscription: Subscription): boolean {
    return !this.#mayHaveMore && subscription.cursor >= this.top;
  }

  /**
   * How far the slowest has come that reads what it is sent, without much delay, and is past `after`, where that is not up to
   * an offset.
   */
  slowest(offset: number, after: number): number | undefined {
    let slowest = offset;
    for (const { cursor, session } of this.subscriptions)
      if (cursor > after && cursor < slowest && session.silence < patience) slowest = cursor;
    return slowest < offset ? slowest : undefined;
  }

  /** What is at hand, encoded: there since anything was read, as many channels are only waited for. */
  get tail(): SegmentCache {
    this.#tail ??= new SegmentCache(this.#context, this.name);
    return this.#tail;
  }

  /** Reads after a position with the limits that all reads for sessions have. */
  read(after: Position): MaybePromise<Slice> {
    return this.#context.log.read(this.name, { after, limit: batch });
  }

  /** Whether `top` may not be the last word: there are news, or they are just being read. */
  get #mayHaveMore(): boolean {
    return this.#news || this.#loading !== undefined;
  }

  /** Loads until there are no news, or nobody has room for more: at once, where the log can. */
  #loadAll(): Promise<void> | undefined {
    this.#tending = true;
    let loading: MaybePromise<number> | undefined;
    try {
      do {
        loading = this.#load();
        if (loading instanceof Promise) return this.#loadRest(loading);
        this.#advanceAll();
      } while (this.#wantsMore);
    } catch (error) {
      failed(this, this.#context, error, "top");
    } finally {
      this.#tending = loading instanceof Promise;
    }
    return undefined;
  }

  async #loadRest(loading: Promise<number>): Promise<void> {
    try {
      await loading;
      this.#advanceAll();
      while (this.#wantsMore) {
        await this.#load();
        this.#advanceAll();
      }
    } catch (error) {
      failed(this, this.#context, error, "top");
    } finally {
      this.#tending = false;
    }
  }

  get #wantsMore(): boolean {
    return this.#news && isAnyoneAt(this.subscriptions, this.top);
  }

  /** Reads what follows the top into the cache, and answers where the log ends. Calls at the same time share one read. */
  #load(): MaybePromise<number> {
    if (this.#loading !== undefined) return this.#loading;
    this.#news = false;
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
    if (this.#take(slice) && !this.#tending) this.#context.turn.wakeChannel(this);
    return slice.top;
  }

  /** A new subscriber gets the error as its answer. The earlier ones wait until the channel is read again. */
  #failedToLoad(error: unknown): void {
    this.#news = true;
    if (!this.#tending && this.subscriptions.size > 0) failed(this, this.#context, error, "top");
  }

  /** What to read next. The first look only asks where the channel stands. */
  get #following(): ReadOptions {
    if (this.epoch === "") return { limit: 0 };
    return { after: { offset: this.top, epoch: this.epoch }, limit: batch };
  }

  /** Takes what follows the top into the tail. Answers whether it does follow: else everything begins anew. */
  #take(slice: Slice): boolean {
    works(this, this.#context, "top");
    if (this.epoch === "" || !slice.gapless) {
      this.#restart(slice);
      return false;
    }
    this.top = this.tail.add(slice.entries) ?? this.top;
    if (slice.top > this.top) this.#news = true;
    return true;
  }

  /** Begins anew where the log now stands: at the first look, and when what followed the top is gone. */
  #restart(slice: Slice): void {
    const sameEpoch = slice.epoch === this.epoch;
    this.epoch = slice.epoch;
    this.top = slice.top;
    this.#tail?.drop();
    for (const subscription of [...this.subscriptions]) {
      if (!sameEpoch || subscription.cursor + 1 < slice.first) this.lose(subscription);
    }
  }

  /** Hands on to everybody, and lets go of what everybody has. */
  #advanceAll(): void {
    const { only } = this.subscriptions;
    let had = this.top;
    if (only !== undefined) had = this.#handOn(only, had);
    else for (const subscription of this.subscriptions) had = this.#handOn(subscription, had);
    this.#tail?.trim(had);
  }

  /** Hands on to one, and answers how far it has come, or another before it. */
  #handOn(subscription: Subscription, least: number): number {
    if (subscription.waits === undefined) this.#advance(subscription);
    return Math.min(least, subscription.cursor);
  }

  /** Hands on as much as there is room for, or notes what the subscription waits for. */
  #advance(subscription: Subscription): void {
    const { session } = subscription;
    while (subscription.cursor < this.top) {
      const segment = this.tail.after(subscription.cursor);
      if (segment === undefined) return this.#fetch(subscription);
      const piece = session.isHeld(subscription)
        ? undefined
        : pieceOf(segment, subscription.cursor, session.window.room, !session.window.hasPublications);
      if (piece === undefined) {
        subscription.waits = "room";
        fallBehind(subscription, this.#context);
        session.block(subscription);
        this.#context.appends.fallsBehind(this.name, this.top);
        return;
      }
      session.hand(subscription, piece);
    }
    if (subscription.behind !== undefined && !this.#mayHaveMore) caughtUp(subscription, this.#context);
    if (this.#news && !isPausing(this)) this.#context.turn.wakeChannel(this);
  }

  /** Reads what somebody misses who is further behind than the tail. */
  #fetch(subscription: Subscription): void {
    fallBehind(subscription, this.#context);
    if (isPausing(this)) return;
    subscription.waits = "log";
    const owner = `catch up ${this.name}`;
    this.#context.scope.own("task", owner, this.#catchUp(subscription));
  }

  async #catchUp(subscription: Subscription): Promise<void> {
    try {
      const slice = await this.read({ offset: subscription.cursor, epoch: this.epoch });
      works(this, this.#context, "behind");
      if (!this.subscriptions.has(subscription)) return;
      if (!slice.gapless) return this.lose(subscription);
      this.tail.addAside(slice.entries);
      subscription.waits = undefined;
      this.#advance(subscription);
    } catch (error) {
      if (!this.subscriptions.has(subscription)) return;
      subscription.waits = undefined;
      failed(this, this.#context, error, "behind");
    }
  }

  /** Ends a subscription that cannot go on without a hole, and tells it. */
  lose(subscription: Subscription): void {
    this.remove(subscription);
    subscription.session.lose(subscription);
  }

  /** Waits for the turn before closing: whoever leaves and comes back at once finds all as it was. */
  #letGo(): void {
    if (this.subscriptions.size === 0 && this.#uses === 0) this.#context.turn.wakeChannel(this);
  }

  #close(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#context.emptied(this.name);
    this.#tail?.drop();
    this.outage?.end();
    this.#watch.end();
  }
}
