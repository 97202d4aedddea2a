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

/** Somebody who waits for a publication to be delivered. */
export interface Waiter {
  readonly level: Level | undefined;
  readonly by: string | undefined;
  readonly settle: Settle<Delivery>;
}

/** What has to be known of a publication to report it. */
export interface Content {
  readonly data: string;
  readonly tags: Readonly<Record<string, string>> | undefined;
  readonly bytes: number;
  /** Whether somebody asked for it to be confirmed, and is to be told in time; a run's ending nobody asked about is not. */
  readonly isAwaited: boolean;
  /** Whether it is a run's ending, which is never held up, and takes nobody's room. */
  readonly isEnding: boolean;
}

/** What a channel's ledger needs of the ledger of all. */
export interface LedgerOfChannels {
  /** Now, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** Those who follow a channel now. */
  subscriptions(channel: string, epoch: string): Iterable<Subscription>;
  /** Whatever is known of those who may have been sent a publication. */
  states(channel: string, epoch: string, offset: number): Iterable<DeliveryState>;
  /** A confirmed publication has arrived. */
  discharge(entry: PendingDelivery, delivery: Delivery): void;
  /** Lets go of an entry that nobody waits for any more. */
  tidy(entry: PendingDelivery): void;
  /** A publication is waited for no longer. */
  giveUp(entry: PendingDelivery, reason: UndeliveredReason): void;
}

/** A publication that somebody waits for, or that is to be confirmed. */
export class PendingDelivery implements Expiring {
  place = -1;
  order = 0;
  readonly deliveries: ChannelLedger;
  readonly position: Position;
  readonly time: number;
  readonly expires: number;
  /** There while it is to be confirmed, and neither discharged nor given up. */
  content: Content | undefined;
  readonly waiters: Set<Waiter> = new Set();
  /** The log no longer holds it. */
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

/** What of one channel is waited for: its confirmed publications, and those whose receipts were asked. */
export class ChannelLedger {
  readonly channel: string;
  /** By offset, all of one epoch. */
  readonly entries: Map<number, PendingDelivery> = new Map();
  epoch: string;
  /** The highest offset that was ever entered. */
  newest = 0;
  /** The first offset that the log is known to hold. */
  first = 1;
  /** When the last entry was made, in the ledger's own count of events. */
  sequence = 0;
  /** How many wait for receipts. */
  waiters = 0;
  /** What its confirmed publications take. */
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

  /** Whether reading what a subscription was handed would tell somebody something. */
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

  /** Whether a client that acknowledges has not yet said so of a confirmed publication that it was sent. */
  awaitsAcknowledgement({ epoch, proof, acknowledged, cursor }: Subscription): boolean {
    if (epoch !== this.epoch) return false;
    for (const { position, content } of this.entries.values()) {
      const isSent = position.offset > proof.since && position.offset <= cursor;
      if (content !== undefined && isSent && position.offset > acknowledged) return true;
    }
    return false;
  }

  /**
   * Somebody has come so far in an epoch: whoever waits for any of what lies between is told. A log that begins anew is
   * known of by what is published before subscribers hear of it: their offsets are then none of this epoch.
   */
  reached(epoch: string, state: DeliveryState, level: Exclude<Level, "logged">, after: number): void {
    if (epoch !== this.epoch) return;
    const last = state[level];
    const from = Math.max(after, state.since);
    if (last - from < this.entries.size) {
      for (let offset = from + 1; offset <= last; offset++) this.#tell(this.entries.get(offset), state);
    } else {
      for (const entry of this.entries.values()) {
        const { offset } = entry.position;
        if (offset > from && offset <= last) this.#tell(entry, state);
      }
    }
  }

  #tell(entry: PendingDelivery | undefined, state: DeliveryState): void {
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

  /** What was read of the channel tells what its log no longer holds; entries made since that read began are younger. */
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

  /** Looks, in the coming turn, what the log still holds. What it finds is noted where it is read. */
  lookSoon(context: Context): void {
    if (this.#isLooking || this.entries.size === 0) return;
    this.#isLooking = true;
    context.clock.turn(() => {
      this.#isLooking = false;
      if (this.entries.size === 0) return;
      const failed = (error: unknown): void => context.report(error, "log", `channel ${this.channel}`);
      // The read is itself listed as a wait, and ends with the context.
      attended(() => context.log.read(this.channel, { limit: 0 }), failed);
    });
  }

  /** What the log no longer holds, and nobody is just being sent, nobody will receive. */
  giveUpTrimmed(): void {
    for (const entry of [...this.entries.values()])
      if (entry.isTrimmed && !this.#isUnderWay(entry)) this.#ledger.giveUp(entry, "trimmed");
  }

  /** Tells whoever waits for an entry that it need not wait any longer. */
  refuse({ position, waiters }: PendingDelivery, reason: UndeliveredReason, level: Level): void {
    for (const { settle } of waiters) settle.reject(refusal(this.channel, position, reason, level));
    waiters.clear();
  }

  /** The highest level that a publication is known to have reached with anybody. */
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

/** What a standing says to somebody who waits: the delivery, where it is far enough. */
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
