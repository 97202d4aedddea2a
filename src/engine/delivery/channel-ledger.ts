import type { Expiring } from "../../base/heap.ts";
import { attended } from "../../base/hook.ts";
import type { Settle } from "../../base/scope.ts";
import { type ClosedError, closed, ExpiredError } from "../../model/errors.ts";
import type { Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";
import { type Delivery, type Level, levels, type UndeliveredReason } from "../../model/receipt.ts";
import type { Context } from "../core/context.ts";
import { publicationOf } from "../core/publications.ts";
import type { Taken } from "./confirm-capacity.ts";
import { has } from "./delivery-state.ts";
import type { DeliveryState, Subscription } from "./subscription.ts";

/** A caller that waits for a publication to be delivered. */
export interface Waiter {
  readonly level: Level | undefined;
  readonly by: string | undefined;
  readonly settle: Settle<Delivery>;
}

/** What is needed to report a publication. */
export interface Content {
  readonly data: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly bytes: number;
  /**
   * Whether the end of its wait must be reported in time. True for a publication with `confirm`; for the ending of a
   * run only if there is an `onUndelivered` hook.
   */
  readonly isAwaited: boolean;
  /** Whether it is the ending of a run, which never waits for capacity and takes none from others. */
  readonly isEnding: boolean;
  /** The record that the log holds for it until it is discharged or given up. Undefined if the log holds none. */
  readonly record: string | undefined;
}

/** What the ledger of one channel needs from the ledger of the notifier. */
export interface LedgerOfChannels {
  /** The current time, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Number of channels of which it is about to be read where they begin. */
  looking: number;
  /** Returns the current subscriptions of a channel. */
  subscriptions(channel: string, epoch: string): Iterable<Subscription>;
  /** Returns the known states of subscribers that may have been sent a publication. */
  states(channel: string, epoch: string, offset: number): Iterable<DeliveryState>;
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
  readonly expires: number;
  /** Present while the publication must be confirmed and is neither discharged nor given up. */
  content: Content | undefined;
  readonly waiters: Set<Waiter> = new Set();
  /** Whether the log no longer holds it. */
  isTrimmed = false;
  /** How its confirmation ended. */
  outcome: { delivery: Delivery } | { reason: UndeliveredReason; level: Level } | undefined;

  constructor(
    deliveries: ChannelLedger,
    position: Position,
    time: number,
    expires: number,
    content?: Content,
  ) {
    this.deliveries = deliveries;
    this.position = position;
    this.time = time;
    this.expires = expires;
    this.content = content;
  }

  /** The publication, for users of this process. */
  publication({ data, tags }: Content): Publication {
    const { deliveries, position, time } = this;
    return publicationOf(deliveries.channel, position.epoch, { offset: position.offset, data, time, tags });
  }
}

/** The pending deliveries of one channel: its confirmed publications, and those whose receipts are awaited. */
export class ChannelLedger {
  readonly channel: string;
  /** By offset. All are of one epoch. */
  readonly entries: Map<number, PendingDelivery> = new Map();
  epoch: string;
  /** The highest offset that was ever entered. */
  newest = 0;
  /** The first offset that the log is known to hold. */
  first = 1;
  /** The `sequence` of the ledger when the last entry was made. */
  sequence = 0;
  /** Number of callers that wait for receipts. */
  waiters = 0;
  /** The number and bytes of its confirmed publications that wait. */
  readonly room: Taken = { confirmed: 0, bytes: 0 };
  #isLooking = false;
  readonly #ledger: LedgerOfChannels;

  constructor(ledger: LedgerOfChannels, channel: string, epoch: string) {
    this.#ledger = ledger;
    this.channel = channel;
    this.epoch = epoch;
  }

  get isEmpty(): boolean {
    return this.entries.size === 0 && this.room.confirmed === 0;
  }

  /** Whether a proof that the client has read what it was handed would settle anything. */
  wantsReading({ session, epoch, proof, cursor }: Subscription): boolean {
    if (epoch !== this.epoch || (session.acknowledges && this.waiters === 0)) return false;
    for (const { position, content, waiters } of this.entries.values()) {
      if (position.offset <= proof.since || position.offset > cursor) continue;
      if (content !== undefined && !session.acknowledges) return true;
      for (const { level } of waiters)
        if (level === "read" || (level === undefined && !session.acknowledges)) return true;
    }
    return false;
  }

  /** Whether a client that acknowledges was sent a confirmed publication that it has not acknowledged yet. */
  awaitsAcknowledgement({ epoch, proof, acknowledged, cursor }: Subscription): boolean {
    if (epoch !== this.epoch) return false;
    for (const { position, content } of this.entries.values()) {
      const isSent = position.offset > proof.since && position.offset <= cursor;
      if (content !== undefined && isSent && position.offset > acknowledged) return true;
    }
    return false;
  }

  /**
   * Called when a subscriber has reached a level up to an offset in an epoch. Settles those who wait for a publication
   * in between.
   *
   * When a channel begins anew, publications of the new epoch are entered before subscribers detect it. The offsets of
   * those subscribers are of the old epoch and are ignored.
   */
  reached(epoch: string, state: DeliveryState, level: Exclude<Level, "logged">, after: number): void {
    if (epoch !== this.epoch) return;
    const last = state[level];
    const from = Math.max(after, state.since);
    if (last - from < this.entries.size) {
      for (let offset = from + 1; offset <= last; offset++) this.#settle(this.entries.get(offset), state);
    } else {
      for (const entry of this.entries.values()) {
        const { offset } = entry.position;
        if (offset > from && offset <= last) this.#settle(entry, state);
      }
    }
  }

  #settle(entry: PendingDelivery | undefined, state: DeliveryState): void {
    if (entry === undefined) return;
    const { offset } = entry.position;
    const time = this.#ledger.time;
    for (const waiter of [...entry.waiters]) {
      const delivery = deliveryBy(state, offset, waiter, time);
      if (delivery === undefined) continue;
      entry.waiters.delete(waiter);
      waiter.settle.resolve(delivery);
    }
    const discharge = deliveryBy(state, offset, { level: undefined, by: undefined }, time);
    if (discharge !== undefined) this.#ledger.discharge(entry, discharge);
    this.#ledger.tidy(entry);
  }

  /**
   * Called with what was read of the channel. Marks entries that the log no longer holds. `since` is the `sequence` of
   * the ledger before the read. If an entry was made after that, a different epoch is ignored, because the entry may be
   * of a newer one.
   */
  looked({ epoch, first }: Slice, since: number): void {
    if (epoch !== this.epoch) {
      if (since < this.sequence) return;
      for (const entry of [...this.entries.values()]) this.#ledger.giveUp(entry, "trimmed");
    } else if (first > this.first) {
      this.first = first;
      for (const entry of this.entries.values()) if (entry.position.offset < first) entry.isTrimmed = true;
      this.giveUpTrimmed();
    }
  }

  /** Reads in the coming turn where the log now begins. `looked` is called with the result. */
  lookSoon(context: Context): void {
    if (this.#isLooking || this.entries.size === 0) return;
    this.#isLooking = true;
    this.#ledger.looking++;
    context.clock.turn(() => {
      this.#isLooking = false;
      this.#ledger.looking--;
      if (this.entries.size === 0) return;
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

  /** Rejects those who wait for an entry. */
  refuse({ position, waiters }: PendingDelivery, reason: UndeliveredReason, level: Level): void {
    for (const { settle } of waiters) settle.reject(refusal(this.channel, position, reason, level));
    waiters.clear();
  }

  /** Returns the highest level that a publication is known to have reached with any subscriber. */
  levelOf(offset: number): Level {
    const states = [...this.#ledger.states(this.channel, this.epoch, offset)];
    const isReached = (level: Level): boolean => states.some((each) => has(each, offset, level));
    return levels.findLast(isReached) ?? "logged";
  }

  #isUnderWay({ position: { offset } }: PendingDelivery): boolean {
    for (const { proof, cursor } of this.#ledger.subscriptions(this.channel, this.epoch))
      if (proof.since < offset && offset <= cursor) return true;
    return false;
  }
}

/** Returns the delivery for a caller that waits, if the state of the subscriber is sufficient; otherwise undefined. */
export function deliveryBy(
  state: DeliveryState,
  offset: number,
  { level, by }: Pick<Waiter, "level" | "by">,
  time: number,
): Delivery | undefined {
  const isFor = by === undefined || by === state.by;
  if (!isFor || !has(state, offset, level ?? "discharged")) return undefined;
  const isAcknowledged = has(state, offset, "acknowledged");
  return {
    level: level ?? (isAcknowledged ? "acknowledged" : "read"),
    by: state.by,
    time: isAcknowledged ? state.time : time,
  };
}

export function refusal(
  channel: string,
  position: Position,
  reason: UndeliveredReason,
  level: Level,
): ClosedError | ExpiredError {
  if (reason === "expired" || reason === "trimmed")
    return new ExpiredError(channel, position, { reason, level });
  return closed(`wait for ${position.offset} of ${JSON.stringify(channel)} any longer`);
}
