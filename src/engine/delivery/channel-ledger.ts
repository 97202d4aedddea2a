import type { Expiring } from "../../base/heap.ts";
import { attended } from "../../base/hook.ts";
import type { Position, Slice } from "../../model/log.ts";
import { type Delivery, type Level, levels, type UndeliveredReason } from "../../model/receipt.ts";
import type { Context } from "../core/context.ts";
import type { Taken } from "./confirm-capacity.ts";
import type { Content } from "./confirmation.ts";
import { has } from "./delivery-state.ts";
import { commonWith } from "./lineages.ts";
import type { DeliveryState, Subscription } from "./subscription.ts";
import { deliveryBy, type Question, refusal, type Waiter, type Wanted } from "./waiter.ts";

/** What discharges a confirmed publication. */
const discharge: Wanted = { level: undefined, by: undefined };

/** What the ledger of one channel needs from the ledger of the notifier. */
export interface LedgerOfChannels {
  /** The current time, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Number of channels of which it is about to be read where they begin. */
  looking: number;
  /** Returns the offset up to which two epochs of a channel are the same; see `Lineages`. */
  common(channel: string, one: string, other: string): number;
  /** Whether another epoch is known to have continued this one. */
  isOlder(channel: string, epoch: string): boolean;
  /** Returns the current subscriptions of a channel, if their epoch is the same as this one up to an offset. */
  subscriptions(channel: string, position: Position): Iterable<Subscription>;
  /** Returns the known states of subscribers that may have been sent a publication. */
  states(channel: string, position: Position): Iterable<DeliveryState>;
  /** Ends the wait of a confirmed publication that was delivered. */
  discharge(entry: PendingDelivery, delivery: Delivery): void;
  /** Removes an entry that nobody waits for any more. */
  tidy(entry: PendingDelivery): void;
  /** Gives up a publication: rejects those who wait for it, and reports it if it was confirmed. */
  giveUp(entry: PendingDelivery, reason: UndeliveredReason): void;
}

/** A publication that somebody waits for, or that must be confirmed. */
export class PendingDelivery implements Expiring {
  place = -1;
  order = 0;
  readonly deliveries: ChannelLedger;
  readonly position: Position;
  readonly time: number;
  /** When the first of those who wait for it gives up. */
  expires: number;
  /** When its confirmation is given up. */
  due: number;
  /** The epoch in which it is now: a later one than that of its position, if that is continued. */
  epoch: string;
  /** The `sequence` of the ledger when it was entered. */
  sequence = 0;
  /** Present while the publication must be confirmed and is neither discharged nor given up. */
  content: Content | undefined;
  readonly waiters: Set<Waiter> = new Set();
  /** What other nodes have been asked to tell of it. */
  asked: Map<string, Question> | undefined;
  /** Whether the log no longer holds it. */
  isTrimmed = false;
  /** How its confirmation ended. */
  outcome: { delivery: Delivery } | { reason: UndeliveredReason; level: Level } | undefined;

  constructor(deliveries: ChannelLedger, position: Position, time: number, expires: number) {
    this.deliveries = deliveries;
    this.position = position;
    this.epoch = position.epoch;
    this.time = time;
    this.expires = expires;
    this.due = expires;
  }

  /** When the first of those who wait for it now gives up. */
  get earliest(): number {
    let earliest = this.content === undefined ? Infinity : this.due;
    for (const { expires } of this.waiters) earliest = Math.min(earliest, expires);
    return earliest;
  }
}

/** The pending deliveries of one channel: its confirmed publications, and those whose receipts are awaited. */
export class ChannelLedger {
  readonly channel: string;
  /** By offset. All are of one epoch, or of one that it is known to continue. */
  readonly entries: Map<number, PendingDelivery> = new Map();
  /** Those of other epochs, until a read says whether the channel continues them. */
  readonly others: Set<PendingDelivery> = new Set();
  epoch: string;
  /** The highest offset that was ever entered. */
  newest = 0;
  /** The first offset that the log is known to hold. */
  first = 1;
  /** The `sequence` of the ledger when the last entry was made. */
  sequence = 0;
  /** Number of callers of this process that wait for receipts. */
  waiters = 0;
  /** Number of those who wait for a publication to be read, whoever acknowledges. */
  readers = 0;
  /** The number and bytes of its confirmed publications that wait. */
  readonly room: Taken = { confirmed: 0, bytes: 0 };
  #isLooking = false;
  readonly #ledger: LedgerOfChannels;

  constructor(ledger: LedgerOfChannels, channel: string, epoch: string) {
    this.#ledger = ledger;
    this.channel = channel;
    this.epoch = epoch;
  }

  /** All entries, of whatever epoch. */
  get all(): PendingDelivery[] {
    return this.others.size === 0 ? [...this.entries.values()] : [...this.others, ...this.entries.values()];
  }

  /** Begins to enter publications of another epoch. What is entered already waits for a read. */
  begin(epoch: string): void {
    for (const entry of this.entries.values()) this.others.add(entry);
    this.entries.clear();
    this.epoch = epoch;
    this.newest = 0;
    this.first = 1;
  }

  /** Returns the entry of a position. */
  get({ epoch, offset }: Position): PendingDelivery | undefined {
    const entry = this.entries.get(offset);
    if (entry !== undefined && this.#common(epoch, this.epoch) >= offset) return entry;
    for (const other of this.others)
      if (other.position.offset === offset && this.#common(epoch, other.epoch) >= offset) return other;
    return undefined;
  }

  /** Whether the log may still hold a publication of a position. */
  mayHold({ epoch, offset }: Position): boolean {
    if (this.#common(epoch, this.epoch) >= offset) return offset >= this.first;
    return !this.#ledger.isOlder(this.channel, epoch);
  }

  add(entry: PendingDelivery): void {
    const { offset } = entry.position;
    if (this.#common(entry.epoch, this.epoch) < offset) this.others.add(entry);
    else this.#place(entry);
  }

  #place(entry: PendingDelivery): void {
    const { offset } = entry.position;
    entry.epoch = this.epoch;
    this.entries.set(offset, entry);
    this.newest = Math.max(this.newest, offset);
  }

  remove(entry: PendingDelivery): void {
    const { offset } = entry.position;
    if (!this.others.delete(entry) && this.entries.get(offset) === entry) this.entries.delete(offset);
  }

  #common(one: string, other: string): number {
    return one === other ? Infinity : this.#ledger.common(this.channel, one, other);
  }

  get isEmpty(): boolean {
    return this.entries.size === 0 && this.others.size === 0 && this.room.confirmed === 0;
  }

  /** Whether a proof that the client has read what it was handed would settle anything. */
  wantsReading({ session, epoch, proof, cursor }: Subscription): boolean {
    if (epoch !== this.epoch || (session.acknowledges && this.readers === 0)) return false;
    for (const { content, waiters } of this.#between(proof.since, cursor)) {
      if (content !== undefined && !session.acknowledges) return true;
      for (const { level } of waiters)
        if (level === "read" || (level === undefined && !session.acknowledges)) return true;
    }
    return false;
  }

  /** Whether a client that acknowledges was sent a confirmed publication that it has not acknowledged yet. */
  awaitsAcknowledgement({ epoch, proof, acknowledged, cursor }: Subscription): boolean {
    if (epoch !== this.epoch) return false;
    for (const entry of this.#between(Math.max(proof.since, acknowledged), cursor))
      if (isConfirmed(entry)) return true;
    return false;
  }

  /** Returns the entries of this epoch after one offset, up to another. */
  *#between(after: number, last: number): Generator<PendingDelivery> {
    if (last - after < this.entries.size) {
      for (let offset = after + 1; offset <= last; offset++) {
        const entry = this.entries.get(offset);
        if (entry !== undefined) yield entry;
      }
    } else {
      for (const entry of this.entries.values())
        if (entry.position.offset > after && entry.position.offset <= last) yield entry;
    }
  }

  /** Returns the entries that a state covers after an offset, up to what it has reached of a level. */
  between(
    epoch: string,
    state: DeliveryState,
    level: Exclude<Level, "logged">,
    after: number,
  ): PendingDelivery[] {
    const from = Math.max(after, state.since);
    const found = [...this.#between(from, Math.min(state[level], this.#common(epoch, this.epoch)))];
    for (const other of this.others) {
      const { offset } = other.position;
      if (offset > from && offset <= Math.min(state[level], this.#common(epoch, other.epoch)))
        found.push(other);
    }
    return found;
  }

  /**
   * Called when a subscriber has reached a level up to an offset in an epoch. Settles those who wait for a publication
   * in between.
   *
   * When a channel begins anew, publications of the new epoch are entered before subscribers detect it. The offsets of
   * those subscribers are of the old epoch and are ignored.
   */
  reached(epoch: string, state: DeliveryState, level: Exclude<Level, "logged">, after: number): void {
    for (const entry of this.between(epoch, state, level, after)) this.settle(entry, state);
  }

  /** Settles those who wait for an entry, as far as the state of a subscriber is sufficient. */
  settle(entry: PendingDelivery, state: DeliveryState): void {
    const { offset } = entry.position;
    const time = this.#ledger.time;
    for (const waiter of [...entry.waiters]) {
      const delivery = deliveryBy(state, offset, waiter, time);
      if (delivery === undefined) continue;
      this.stop(entry, waiter);
      waiter.settle.resolve(delivery);
    }
    const delivery = deliveryBy(state, offset, discharge, time);
    if (delivery !== undefined) this.#ledger.discharge(entry, delivery);
    this.#ledger.tidy(entry);
  }

  wait(entry: PendingDelivery, waiter: Waiter): void {
    entry.waiters.add(waiter);
    if (waiter.node === undefined) this.waiters++;
    if (waiter.level === "read") this.readers++;
  }

  stop(entry: PendingDelivery, waiter: Waiter): void {
    if (!entry.waiters.delete(waiter)) return;
    if (waiter.node === undefined) this.waiters--;
    if (waiter.level === "read") this.readers--;
  }

  /**
   * Called with what was read of the channel. Marks entries that the log no longer holds. `since` is the `sequence` of
   * the ledger before the read. If an entry was made after that, a different epoch is ignored, because the entry may be
   * of a newer one. Returns the entries that go on in another epoch than before.
   */
  looked(slice: Slice, since: number): PendingDelivery[] {
    const { epoch, first } = slice;
    if (epoch !== this.epoch) {
      if (since < this.sequence) return [];
      this.begin(epoch);
    }
    const continued = this.others.size > 0 ? this.#decide(slice, since) : [];
    if (first <= this.first) return continued;
    this.first = first;
    for (const entry of this.entries.values()) if (entry.position.offset < first) entry.isTrimmed = true;
    this.giveUpTrimmed();
    return continued;
  }

  /** Gives up what is of an epoch that the channel does not continue. Returns the rest, which goes on in the present one. */
  #decide(slice: Slice, since: number): PendingDelivery[] {
    const continued: PendingDelivery[] = [];
    for (const entry of [...this.others]) {
      if (entry.sequence > since) continue;
      if (entry.position.offset > commonWith(slice, entry.epoch)) this.#ledger.giveUp(entry, "trimmed");
      else if (this.others.delete(entry)) {
        this.#place(entry);
        continued.push(entry);
      }
    }
    return continued;
  }

  /** Whether nothing is known of an epoch: it may be one that continues this one. */
  isUnknown(epoch: string): boolean {
    return this.#common(epoch, this.epoch) === 0 && !this.#ledger.isOlder(this.channel, epoch);
  }

  /** Whether nobody needs to know now where the log begins: other nodes that wait here notice it by themselves. */
  get #isUnheard(): boolean {
    if (this.others.size > 0) return false;
    return this.entries.size === 0 || (this.room.confirmed === 0 && this.waiters === 0);
  }

  /** Reads in the coming turn where the log now begins. `looked` is called with the result. */
  lookSoon(context: Context): void {
    if (this.#isLooking || this.#isUnheard) return;
    this.#isLooking = true;
    this.#ledger.looking++;
    context.clock.turn(() => {
      this.#isLooking = false;
      this.#ledger.looking--;
      if (this.#isUnheard) return;
      const failed = (error: unknown): void => context.report(error, "log", `channel ${this.channel}`);
      // The log reader lists this read as a wait, and ends it with its scope.
      attended(() => context.log.read(this.channel, { limit: 0 }), failed);
    });
  }

  /** Gives up the entries that the log no longer holds, except those that are being sent to a subscriber. */
  giveUpTrimmed(): void {
    for (const entry of [...this.entries.values()])
      if (entry.isTrimmed && !this.#isUnderWay(entry)) this.#ledger.giveUp(entry, "trimmed");
  }

  /** Rejects those who wait for an entry, and whose time is over at `now`. */
  refuse(entry: PendingDelivery, reason: UndeliveredReason, level: Level, now: number = Infinity): void {
    const { position, waiters } = entry;
    for (const waiter of [...waiters]) {
      if (waiter.expires > now) continue;
      this.stop(entry, waiter);
      waiter.settle.reject(refusal(this.channel, position, reason, level));
    }
  }

  /** Returns the highest level that a publication is known to have reached with any subscriber. */
  levelOf({ epoch, position: { offset } }: PendingDelivery): Level {
    const states = [...this.#ledger.states(this.channel, { epoch, offset })];
    const isReached = (level: Level): boolean => states.some((each) => has(each, offset, level));
    return levels.findLast(isReached) ?? "logged";
  }

  #isUnderWay({ epoch, position: { offset } }: PendingDelivery): boolean {
    for (const { proof, cursor } of this.#ledger.subscriptions(this.channel, { epoch, offset }))
      if (proof.since < offset && offset <= cursor) return true;
    return false;
  }
}

/** Whether a publication must be confirmed, here or by another node. */
function isConfirmed({ content, waiters }: PendingDelivery): boolean {
  if (content !== undefined) return true;
  for (const { node, level } of waiters) if (node !== undefined && level === undefined) return true;
  return false;
}
