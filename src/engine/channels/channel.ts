import type { Counts } from "../../base/counts.ts";
import { SmallSet } from "../../base/small-set.ts";
import type { Context } from "../core/context.ts";
import { deliveryStateOf } from "../delivery/delivery-state.ts";
import type { Ledger } from "../delivery/ledger.ts";
import { caughtUp, fallBehind, type MissedNotices } from "../delivery/missed-notices.ts";
import type { ChannelDeliveries, Followed, Subscription } from "../delivery/subscription.ts";
import { isAnyoneAt } from "../delivery/subscriptions.ts";
import { patience } from "../log/burst.ts";
import { Announcements } from "./announcements.ts";
import { ChannelLog } from "./channel-log.ts";
import type { Announced, AnnouncedChannel, ListeningNodes } from "./listening-nodes.ts";
import { failed, isPausing, works } from "./outage.ts";
import { pieceOf } from "./segment.ts";

/** What a channel needs besides the context. */
export interface ChannelContext extends Context {
  readonly ledger: Ledger;
  readonly notices: MissedNotices;
  readonly elsewhere: ListeningNodes;
  /** How often channels are kept open now. */
  uses: number;
  /** Called when a channel has no subscriptions and no other uses left. */
  emptied(channel: string): void;
}

/**
 * A channel that is in use: what was read of its log, and its subscriptions with their cursors.
 *
 * All data takes the same path. Entries are read after a cursor, and a subscription that is behind catches up in the
 * same steps. A subscription without room keeps its cursor and costs nothing.
 */
export class Channel extends ChannelLog implements Followed, AnnouncedChannel {
  /** The subscriptions, in the order in which they were added. */
  readonly subscriptions: SmallSet<Subscription> = new SmallSet();
  /** Its pending deliveries, if there are any. */
  deliveries: ChannelDeliveries | undefined;
  /** The number of sessions of each user on the channel. Undefined until the number of users is first requested. */
  users: Counts<string> | undefined;
  readonly #context: ChannelContext;
  #uses = 0;
  /** Undefined until the first subscription with `join_leave`, here or on another node. */
  #announcements: Announcements | undefined;
  #isClosed = false;

  constructor(name: string, context: ChannelContext) {
    super(name, context);
    this.#context = context;
    this.deliveries = context.ledger.of(name);
  }

  /** Keeps the channel open until the returned function is called. */
  use(): () => void {
    this.#uses++;
    this.#context.uses++;
    return () => {
      this.#uses--;
      this.#context.uses--;
      this.#closeIfUnused();
    };
  }

  /**
   * Adds a subscription, which is sent everything after its cursor.
   *
   * The cursor belongs to the subscription's epoch. If the channel has a new epoch since then, the subscription is
   * lost.
   */
  add(subscription: Subscription): void {
    this.#enter(subscription);
    this.#heard?.note(subscription.session, "join");
    if (subscription.epoch === this.epoch) this.#advance(subscription);
    else this.lose(subscription);
  }

  /**
   * Adds a subscription of an earlier process, which others know already. It continues in the coming turn. What it was
   * sent or has read counts for the deliveries that are pending here.
   */
  restore(subscription: Subscription): void {
    this.#enter(subscription);
    this.continueWith(subscription);
    const { epoch, cursor, proof } = subscription;
    if (cursor === proof.since || !this.subscriptions.has(subscription)) return;
    this.deliveries?.reached(epoch, deliveryStateOf(subscription), "written", proof.since);
    if (this.deliveries !== undefined) subscription.session.track(subscription);
  }

  #enter(subscription: Subscription): void {
    this.subscriptions.add(subscription);
    this.readBy(subscription.session.codec);
    if (subscription.joins) {
      this.#announcements ??= new Announcements(this.#context, this);
      this.#announcements.listeners++;
    }
    this.users?.add(subscription.session.peer.user);
  }

  remove(subscription: Subscription): void {
    if (!this.subscriptions.delete(subscription)) return;
    this.leftBy(subscription.session.codec);
    this.#context.ledger.left(subscription);
    if (subscription.joins && this.#announcements !== undefined) this.#announcements.listeners--;
    this.users?.add(subscription.session.peer.user, -1);
    this.#heard?.note(subscription.session, "leave");
    if (subscription.joins) this.#context.turn.wakeChannel(this);
    this.#closeIfUnused();
  }

  /** Its announcements, if anybody listens to them. */
  get #heard(): Announcements | undefined {
    if (this.#announcements === undefined && this.#context.elsewhere.isHeard(this.name))
      this.#announcements = new Announcements(this.#context, this);
    return this.#announcements;
  }

  get hasListeners(): boolean {
    return this.#announcements !== undefined && this.#announcements.listeners > 0;
  }

  noteElsewhere(who: Announced, kind: "join" | "leave"): void {
    this.#announcements?.noteElsewhere(who, kind);
  }

  leaveElsewhere(): void {
    for (const { session } of this.subscriptions) this.#heard?.note(session, "leave");
    this.#announcements?.tellElsewhere();
  }

  /** Does the work of the channel once in a turn. The returned promise, if there is work, never rejects. */
  tend(): Promise<void> | undefined {
    const isEmpty = this.subscriptions.size === 0;
    this.#announcements?.tell();
    if (isEmpty && this.#uses === 0) this.#close();
    if (isEmpty || this.isTended) return undefined;
    if (this.hasNews && !isPausing(this) && this.isAwaited) return this.loadAll();
    this.advanceAll();
    return undefined;
  }

  /** Continues a subscription that waited for room. */
  resume(subscription: Subscription): void {
    if (subscription.waits !== "room") return;
    subscription.waits = undefined;
    this.#advance(subscription);
  }

  /** Whether a subscription has been handed everything that is in the log. */
  isCaughtUp(subscription: Subscription): boolean {
    return !this.mayHaveMore && subscription.cursor >= this.top;
  }

  /**
   * Returns the smallest cursor that is above `after` and below `offset`, of the subscriptions whose ping has been
   * outstanding for less than `patience`. Undefined if there is none.
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

  /** Hands what was loaded to all subscriptions, and drops what all of them have been handed. */
  protected advanceAll(): void {
    const { only } = this.subscriptions;
    let minCursor = this.top;
    if (only !== undefined) minCursor = this.#handOn(only, minCursor);
    else for (const subscription of this.subscriptions) minCursor = this.#handOn(subscription, minCursor);
    this.trimCache(minCursor);
  }

  /** Hands publications to a subscription. Returns the smaller of its cursor and `min`. */
  #handOn(subscription: Subscription, min: number): number {
    if (subscription.waits === undefined) this.#advance(subscription);
    return Math.min(min, subscription.cursor);
  }

  /** Hands on as much as there is room for, or notes why the subscription waits. */
  #advance(subscription: Subscription): void {
    const { session } = subscription;
    while (subscription.cursor < this.top) {
      const segment = this.cacheOf(session.codec).after(subscription.cursor);
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

  /** Reads what a subscription misses that is further behind than the cache. */
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
      // A log may continue an epoch in another. Clients then come back without a gap.
      if (!slice.gapless || slice.epoch !== subscription.epoch) return this.lose(subscription);
      this.cacheOf(subscription.session.codec).addAside(slice.entries);
      subscription.waits = undefined;
      this.#advance(subscription);
    } catch (error) {
      if (!this.subscriptions.has(subscription)) return;
      subscription.waits = undefined;
      failed(this, this.#context, error, "behind");
    }
  }

  /** Ends a subscription that cannot continue without a gap, and tells the client. */
  lose(subscription: Subscription): void {
    this.remove(subscription);
    subscription.session.lose(subscription);
  }

  /**
   * Wakes the channel, so that it closes in the coming turn if it is still unused. A client that leaves and comes back
   * at once finds the same channel.
   */
  #closeIfUnused(): void {
    if (this.subscriptions.size === 0 && this.#uses === 0) this.#context.turn.wakeChannel(this);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.emptied(this.name);
    this.end();
  }
}
