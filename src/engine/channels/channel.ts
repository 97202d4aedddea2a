import type { Counts } from "../../base/counts.ts";
import { SmallSet } from "../../base/small-set.ts";
import type { Context } from "../core/context.ts";
import type { Ledger } from "../delivery/ledger.ts";
import { caughtUp, fallBehind, type MissedNotices } from "../delivery/missed-notices.ts";
import type { ChannelDeliveries, Followed, Subscription } from "../delivery/subscription.ts";
import { isAnyoneAt } from "../delivery/subscriptions.ts";
import { patience } from "../log/burst.ts";
import { Announcements } from "./announcements.ts";
import { ChannelLog } from "./channel-log.ts";
import { failed, isPausing, works } from "./outage.ts";
import { pieceOf } from "./segment.ts";

/** What a channel needs beside. */
export interface ChannelContext extends Context {
  readonly ledger: Ledger;
  readonly notices: MissedNotices;
  /** Nobody is on a channel any more. */
  emptied(channel: string): void;
}

/**
 * A channel while somebody is on it: what was read of its log, and everybody's place.
 *
 * There is one way for data: entries are read after a cursor, and whoever is behind catches up by the same steps. A session
 * without room keeps its cursor and costs nothing.
 */
export class Channel extends ChannelLog implements Followed {
  /** Those who are subscribed, in the order in which they came. */
  readonly subscriptions: SmallSet<Subscription> = new SmallSet();
  /** What of it is waited for, if anything. */
  deliveries: ChannelDeliveries | undefined;
  /** How many sessions each user has there, since somebody has asked how many users there are. */
  users: Counts<string> | undefined;
  readonly #context: ChannelContext;
  #uses = 0;
  /** There since somebody has wanted to hear of others coming and going. */
  #announcements: Announcements | undefined;
  #gone = false;

  constructor(name: string, context: ChannelContext) {
    super(name, context);
    this.#context = context;
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
    if (isEmpty || this.isTended) return undefined;
    if (this.hasNews && !isPausing(this) && this.isAwaited) return this.loadAll();
    this.advanceAll();
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
    return !this.mayHaveMore && subscription.cursor >= this.top;
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

  protected get isAwaited(): boolean {
    return isAnyoneAt(this.subscriptions, this.top);
  }

  /** Hands on to everybody, and lets go of what everybody has. */
  protected advanceAll(): void {
    const { only } = this.subscriptions;
    let had = this.top;
    if (only !== undefined) had = this.#handOn(only, had);
    else for (const subscription of this.subscriptions) had = this.#handOn(subscription, had);
    this.trimCache(had);
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
      const segment = this.cache.after(subscription.cursor);
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
    if (subscription.behind !== undefined && !this.mayHaveMore) caughtUp(subscription, this.#context);
    if (this.hasNews && !isPausing(this)) this.#context.turn.wakeChannel(this);
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
      this.cache.addAside(slice.entries);
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
    this.end();
  }
}
