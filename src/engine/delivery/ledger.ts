import { ExpiryQueue } from "../../base/expiry-queue.ts";
import type { Pending } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { HeldRecord, Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";
import type { Asked, Delivery, Undelivered, UndeliveredReason } from "../../model/receipt.ts";
import type { Context } from "../core/context.ts";
import {
  ChannelLedger,
  type Content,
  type LedgerOfChannels,
  PendingDelivery,
  refusal,
  type Waiter,
} from "./channel-ledger.ts";
import { ConfirmCapacity, type Taken } from "./confirm-capacity.ts";
import type { Confirmation } from "./confirmation.ts";
import { DepartedStates, deliveryStateOf } from "./delivery-state.ts";
import { GivenUp } from "./given-up.ts";
import { knownDelivery } from "./known-delivery.ts";
import type { DeliveryState, Followed, Subscription } from "./subscription.ts";

export interface LedgerContext extends Context {
  /** Returns the channel of that name, while it is in use. */
  followed(channel: string): Followed | undefined;
  /** Calls the user's hook with a confirmed publication that is given up. */
  undelivered(publication: Publication, reason: UndeliveredReason): void;
}

/**
 * Records who was sent, has read and has acknowledged which publication, and who waits to know.
 *
 * A publication has an entry only while somebody waits for it, or while it must be confirmed. How far a subscriber has
 * come is a position in the channel, which covers every publication up to there.
 */
export class Ledger implements LedgerOfChannels {
  readonly #context: LedgerContext;
  readonly #channels = new Map<string, ChannelLedger>();
  readonly departed: DepartedStates = new DepartedStates();
  /** The capacity for confirmed publications that wait, also on their way into the log. Run endings have their own. */
  readonly #capacity: ConfirmCapacity;
  readonly #endings: ConfirmCapacity;
  readonly expiries: ExpiryQueue<PendingDelivery>;
  /** Number of waits whose end must be reported in time. */
  #awaited = 0;
  /** Number of entries ever made. A read that began at a lower number does not cover later entries. */
  sequence = 0;
  /** Number of channels of which it is about to be read where they begin. */
  looking = 0;
  readonly givenUp: GivenUp;
  #isOver = false;

  constructor(context: LedgerContext) {
    this.#context = context;
    this.givenUp = new GivenUp((publication, reason) => context.undelivered(publication, reason));
    this.#capacity = new ConfirmCapacity(context.settings.limits);
    this.#endings = new ConfirmCapacity(context.settings.limits);
    const isWanted = (): boolean => this.#awaited > 0 || this.#capacity.isWaitedFor;
    this.expiries = new ExpiryQueue(context, isWanted, (entry) => this.giveUp(entry, "expired"));
  }

  /** What waits to be confirmed now, including what is on its way into the log. */
  get taken(): Taken {
    const [one, other] = [this.#capacity, this.#endings];
    return { confirmed: one.confirmed + other.confirmed, bytes: one.bytes + other.bytes };
  }

  /** Returns the confirmed publications that nobody is known to have received yet. */
  inspect(): Pending[] {
    this.expire();
    const now = this.time;
    return [...this.#channels.values()].flatMap(({ channel, entries }) =>
      [...entries.values()].flatMap(({ content, position, time }) => {
        if (content === undefined) return [];
        return { kind: "publication", owner: `confirmed ${position.offset} of ${channel}`, age: now - time };
      }),
    );
  }

  get time(): number {
    return this.#context.clock.time();
  }

  of(channel: string): ChannelLedger | undefined {
    return this.#channels.get(channel);
  }

  /** Waits until a confirmed publication may be appended. Returns undefined if it may be at once. */
  admit(confirmation: Confirmation): Promise<void> | undefined {
    const { channel, content, signal } = confirmation;
    const room = this.#capacityOf(content);
    const { bytes } = content;
    const taken = (): Taken | undefined => this.#channels.get(channel)?.room;
    const take = (): void => room.take(this.#open(channel, "").room, bytes);
    if (content.isEnding || room.fits(taken(), bytes)) {
      take();
      return undefined;
    }
    if (this.givenUp.isClosing) return Promise.reject(closed("publish"));
    const owner = `room for a confirmed publication to ${channel}`;
    return this.#context.scope.wait<void>(owner, signal, (settle) => {
      const undo = room.wait({ bytes, taken, take, settle });
      this.expiries.arm();
      return undo;
    });
  }

  release(channel: string, content: Content): void {
    const deliveries = this.#channels.get(channel);
    if (deliveries === undefined) return;
    this.#capacityOf(content).free(deliveries.room, content.bytes);
    this.#dropEmpty(deliveries);
  }

  #capacityOf({ isEnding }: Content): ConfirmCapacity {
    return isEnding ? this.#endings : this.#capacity;
  }

  #open(channel: string, epoch: string): ChannelLedger {
    let deliveries = this.#channels.get(channel);
    if (deliveries === undefined) {
      deliveries = new ChannelLedger(this, channel, epoch);
      this.#channels.set(channel, deliveries);
      const live = this.#context.followed(channel);
      if (live !== undefined) live.deliveries = deliveries;
    }
    if (epoch !== "" && deliveries.epoch !== epoch) {
      // The channel began anew: nothing of the old epoch can be read any more.
      for (const entry of [...deliveries.entries.values()]) this.giveUp(entry, "trimmed");
      deliveries.epoch = epoch;
      deliveries.newest = 0;
      deliveries.first = 1;
    }
    return deliveries;
  }

  #dropEmpty(deliveries: ChannelLedger): void {
    if (!deliveries.isEmpty || this.#channels.get(deliveries.channel) !== deliveries) return;
    this.#channels.delete(deliveries.channel);
    const live = this.#context.followed(deliveries.channel);
    if (live?.deliveries === deliveries) live.deliveries = undefined;
  }

  /** Enters a confirmed publication that is in the log, and for which there is room. */
  confirm(confirmation: Confirmation, position: Position): PendingDelivery {
    const { channel, content, time, ttl } = confirmation;
    this.givenUp.over(confirmation);
    const deliveries = this.#open(channel, position.epoch);
    const known = deliveries.entries.get(position.offset);
    if (known?.content !== undefined) {
      // The log already had its key: it is the publication that waits already.
      this.release(channel, content);
      return known;
    }
    const entry = known ?? new PendingDelivery(deliveries, position, time, this.#context.clock.now() + ttl);
    entry.content = content;
    if (known === undefined) this.#enter(entry);
    if (content.isAwaited) this.#awaited++;
    if (content.isEnding && this.#endings.isOver) {
      this.giveUp(entry, "overflow");
      return entry;
    }
    this.#lookAround(entry);
    this.expiries.arm();
    return entry;
  }

  /** Enters a confirmed publication of an earlier process. It takes its room whether there is any or not. */
  restore(confirmation: Confirmation, position: Position): void {
    const { channel, content } = confirmation;
    this.#capacityOf(content).take(this.#open(channel, position.epoch).room, content.bytes);
    this.confirm(confirmation, position);
  }

  #enter(entry: PendingDelivery): void {
    const { deliveries } = entry;
    deliveries.entries.set(entry.position.offset, entry);
    deliveries.newest = Math.max(deliveries.newest, entry.position.offset);
    deliveries.sequence = ++this.sequence;
    this.expiries.add(entry);
  }

  /** Checks who has it already: a log may wake subscribers before it answers the publisher. */
  #lookAround(entry: PendingDelivery): void {
    const { deliveries, position } = entry;
    for (const state of this.states(deliveries.channel, deliveries.epoch, position.offset)) {
      deliveries.reached(deliveries.epoch, state, "written", position.offset - 1);
      if (entry.place < 0) return;
    }
    for (const subscription of this.subscriptions(deliveries.channel, deliveries.epoch)) {
      if (subscription.cursor >= position.offset) subscription.session.track(subscription);
    }
  }

  /** Waits until a publication has reached somebody; see `Receipt.delivered`. */
  async delivered(
    asked: Asked,
    entry: PendingDelivery | undefined,
    wanted: Omit<Waiter, "settle">,
    signal: AbortSignal | undefined,
  ): Promise<Delivery> {
    const { channel, position, time, expires } = asked;
    if (signal?.aborted) throw signal.reason;
    if (wanted.level === "logged") return { level: "logged", by: "", time };
    const states = this.states(channel, position.epoch, position.offset);
    const now = { time: this.time, isDue: this.#context.clock.now() >= expires, isOver: this.#isOver };
    const known = knownDelivery(asked, entry, wanted, states, now);
    if (known !== undefined) return known;
    const owner = `delivered ${position.offset} of ${channel}`;
    return await this.#context.scope.wait<Delivery>(owner, signal, (settle) => {
      const deliveries = this.#open(channel, "");
      if (deliveries.epoch === "") deliveries.epoch = position.epoch;
      if (deliveries.epoch !== position.epoch || position.offset < deliveries.first) {
        settle.reject(refusal(channel, position, "trimmed", "logged"));
        this.#dropEmpty(deliveries);
        return () => {};
      }
      let waited = deliveries.entries.get(position.offset);
      if (waited === undefined) {
        waited = new PendingDelivery(deliveries, position, time, expires);
        this.#enter(waited);
      }
      const waiter = { ...wanted, settle };
      waited.waiters.add(waiter);
      deliveries.waiters++;
      this.#awaited++;
      this.#lookAround(waited);
      deliveries.lookSoon(this.#context);
      this.expiries.arm();
      return () => {
        waited.waiters.delete(waiter);
        deliveries.waiters--;
        this.#awaited--;
        this.tidy(waited);
      };
    });
  }

  subscriptions(channel: string, epoch: string): Iterable<Subscription> {
    const live = this.#context.followed(channel);
    return live?.epoch === epoch ? live.subscriptions : [];
  }

  *states(channel: string, epoch: string, offset: number): Generator<DeliveryState> {
    for (const subscription of this.subscriptions(channel, epoch)) {
      if (subscription.proof.since < offset && offset <= subscription.cursor)
        yield deliveryStateOf(subscription);
    }
    yield* this.departed.of(channel, epoch, offset);
  }

  /** Called when a subscription has ended. Its state is remembered for a while, and nothing more is in flight. */
  left(subscription: Subscription): void {
    const { channel, epoch, proof, cursor } = subscription;
    if (cursor > proof.since) this.departed.add(channel.name, epoch, deliveryStateOf(subscription));
    channel.deliveries?.giveUpTrimmed();
  }

  discharge(entry: PendingDelivery, delivery: Delivery): void {
    if (entry.content !== undefined) this.#settle(entry, { delivery });
  }

  tidy(entry: PendingDelivery): void {
    const { deliveries, content, waiters, position } = entry;
    if (content !== undefined || waiters.size > 0 || entry.place < 0) return;
    deliveries.entries.delete(position.offset);
    this.expiries.delete(entry);
    this.#dropEmpty(deliveries);
    this.expiries.arm();
  }

  #settle(entry: PendingDelivery, outcome: NonNullable<PendingDelivery["outcome"]>): void {
    const { content, deliveries } = entry;
    entry.outcome = outcome;
    entry.content = undefined;
    if (content === undefined) return;
    if (content.isAwaited) this.#awaited--;
    this.#context.records.release(content.record);
    this.release(deliveries.channel, content);
    // Sessions that close may have stayed open for it.
    if (this.#context.flushing) this.#context.turn.schedule();
  }

  giveUp(entry: PendingDelivery, reason: UndeliveredReason): void {
    const { deliveries, content, position, time } = entry;
    const level = deliveries.levelOf(position.offset);
    if (content !== undefined) this.#settle(entry, { reason, level });
    deliveries.refuse(entry, reason, level);
    this.tidy(entry);
    if (content === undefined) return;
    this.givenUp.add(
      { channel: deliveries.channel, position, time, level, reason },
      entry.publication(content),
    );
  }

  /** Returns what this process holds in its log for confirmed publications that wait. */
  get held(): HeldRecord[] {
    return [...this.#channels.values()].flatMap(({ channel, entries }) =>
      [...entries.values()].flatMap(({ content, position }) =>
        content?.record === undefined ? [] : [{ record: content.record, channel, position }],
      ),
    );
  }

  /**
   * Lets go of what others have inherited, because the log has taken this process for gone. They report it if nobody
   * receives it. Who waits here for its delivery waits on.
   */
  disown(): void {
    for (const { entries } of [...this.#channels.values()])
      for (const entry of [...entries.values()]) if (entry.content?.record !== undefined) this.#disown(entry);
  }

  #disown(entry: PendingDelivery): void {
    const { content, deliveries } = entry;
    if (content === undefined) return;
    entry.content = undefined;
    if (content.isAwaited) this.#awaited--;
    this.release(deliveries.channel, content);
    this.tidy(entry);
  }

  /** Called with what was read of a channel. `since` is `sequence` before that read; see `ChannelLedger.looked`. */
  looked(channel: string, slice: Slice, since: number): void {
    this.#channels.get(channel)?.looked(slice, since);
  }

  /** Called after an append to a channel, which may have trimmed older entries. */
  appended(channel: string): void {
    this.#channels.get(channel)?.lookSoon(this.#context);
  }

  /** Gives up everything that has expired. No timer does that where no end must be reported in time. */
  expire(): void {
    this.expiries.run();
  }

  /** Begins to close: publishers that wait for room are refused, and what is given up from now on is in the report. */
  close(): void {
    this.expire();
    this.givenUp.close();
    this.#capacity.refuse(closed("publish"));
  }

  /**
   * Gives up everything that is left, except what the log holds for the next process. Returns what was given up since
   * closing began, how many in total, and how many are left to the next process.
   */
  end(): { undelivered: Undelivered[]; givenUp: number; waiting: number } {
    let waiting = 0;
    for (const deliveries of [...this.#channels.values()]) {
      const entries = [...deliveries.entries.values()].sort(
        (one, other) => one.position.offset - other.position.offset,
      );
      for (const entry of entries) {
        if (entry.content?.record !== undefined) {
          waiting++;
          deliveries.refuse(entry, "closed", deliveries.levelOf(entry.position.offset));
        } else this.giveUp(entry, "closed");
      }
    }
    return { ...this.givenUp.end(), waiting };
  }

  clear(): void {
    this.#isOver = true;
    this.givenUp.clear();
    for (const { entries } of this.#channels.values()) entries.clear();
    this.#channels.clear();
    this.departed.clear();
    this.#capacity.clear();
    this.#endings.clear();
  }
}
