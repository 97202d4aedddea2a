import { ExpiryQueue } from "../../base/expiry-queue.ts";
import { trim } from "../../base/trim.ts";
import type { Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";
import type { Asked, Delivery, UndeliveredReason } from "../../model/receipt.ts";
import type { Context } from "../core/context.ts";
import { publicationOf } from "../core/publications.ts";
import type { Nodes } from "../nodes/nodes.ts";
import { Admission } from "./admission.ts";
import { ChannelLedger, type LedgerOfChannels, PendingDelivery } from "./channel-ledger.ts";
import type { Content } from "./confirmation.ts";
import { GivenUp } from "./given-up.ts";
import { KnownStates } from "./known-states.ts";
import type { DeliveryState, Followed, Subscription } from "./subscription.ts";
import type { Waiter } from "./waiter.ts";

export interface LedgerContext extends Context {
  readonly nodes: Nodes;
  /** Returns the channel of that name, while it is in use. */
  followed(channel: string): Followed | undefined;
  /** Calls the user's hook with a confirmed publication that is given up. */
  undelivered(publication: Publication, reason: UndeliveredReason): void;
}

/** Maximum number of records of which it is remembered that they are done with. */
const maxDone = 10_000;

/** The publications that somebody waits for, or that must be confirmed, of all channels, and when each is given up. */
export abstract class PendingDeliveries implements LedgerOfChannels {
  protected readonly context: LedgerContext;
  protected readonly channels: Map<string, ChannelLedger> = new Map();
  readonly known: KnownStates;
  protected readonly admission: Admission;
  readonly expiries: ExpiryQueue<PendingDelivery>;
  readonly givenUp: GivenUp;
  /** The records of what was discharged or given up. If one is inherited again, its release was lost. */
  readonly #done = new Set<string>();
  /** Number of waits whose end must be reported in time. */
  protected awaited = 0;
  /** Number of entries ever made. A read that began at a lower number does not cover later entries. */
  sequence = 0;
  /** Number of channels of which it is about to be read where they begin. */
  looking = 0;

  constructor(context: LedgerContext) {
    this.context = context;
    this.known = new KnownStates((channel) => context.followed(channel));
    this.givenUp = new GivenUp((publication, reason) => context.undelivered(publication, reason));
    this.admission = new Admission({
      limits: context.settings.limits,
      scope: context.scope,
      taken: (channel) => this.channels.get(channel)?.room,
      open: (channel) => this.open(channel, "").room,
      waits: () => this.expiries.arm(),
    });
    const isWanted = (): boolean => this.awaited > 0 || this.admission.isWaitedFor;
    this.expiries = new ExpiryQueue(context, isWanted, (entry) => this.giveUp(entry, "expired"));
  }

  get time(): number {
    return this.context.clock.time();
  }

  of(channel: string): ChannelLedger | undefined {
    return this.channels.get(channel);
  }

  /** All entries of all channels. */
  protected get all(): PendingDelivery[] {
    return [...this.channels.values()].flatMap(({ all }) => all);
  }

  protected open(channel: string, epoch: string): ChannelLedger {
    let deliveries = this.channels.get(channel);
    if (deliveries === undefined) {
      deliveries = new ChannelLedger(this, channel, epoch);
      this.channels.set(channel, deliveries);
      const live = this.context.followed(channel);
      if (live !== undefined) live.deliveries = deliveries;
    }
    if (deliveries.epoch === "") deliveries.epoch = epoch;
    else if (epoch !== "" && deliveries.epoch !== epoch && !this.isOlder(channel, epoch))
      deliveries.begin(epoch);
    return deliveries;
  }

  protected dropEmpty(deliveries: ChannelLedger): void {
    if (!deliveries.isEmpty || this.channels.get(deliveries.channel) !== deliveries) return;
    this.channels.delete(deliveries.channel);
    const live = this.context.followed(deliveries.channel);
    if (live?.deliveries === deliveries) live.deliveries = undefined;
  }

  release(channel: string, content: Content): void {
    const deliveries = this.channels.get(channel);
    if (deliveries === undefined) return;
    this.admission.of(content).free(deliveries.room, content.bytes);
    this.dropEmpty(deliveries);
  }

  protected enter(entry: PendingDelivery): void {
    const { deliveries } = entry;
    deliveries.add(entry);
    entry.sequence = ++this.sequence;
    deliveries.sequence = entry.sequence;
    if (deliveries.others.size > 0) deliveries.lookSoon(this.context);
    this.expiries.add(entry);
  }

  /** Moves an entry to when the first of those who wait for it now gives up. */
  protected schedule(entry: PendingDelivery): void {
    const { earliest } = entry;
    if (entry.expires === earliest) return;
    this.expiries.delete(entry);
    entry.expires = earliest;
    this.expiries.add(entry);
  }

  /**
   * Checks who has it already: a log may wake subscribers before it answers the publisher. `isNews` means that no
   * subscriber here can have been sent it.
   */
  protected lookAround(entry: PendingDelivery, isNews = false): void {
    const { deliveries, position, epoch } = entry;
    const { channel } = deliveries;
    const { offset } = position;
    const here = { epoch, offset };
    for (const state of isNews ? this.known.elsewhere(channel, here) : this.known.of(channel, here)) {
      deliveries.settle(entry, state);
      if (entry.place < 0) return;
    }
    if (isNews) return;
    for (const subscription of this.known.subscriptions(channel, here))
      if (subscription.cursor >= offset) subscription.session.track(subscription);
  }

  /** Makes somebody wait for a publication. Returns undefined if the log no longer holds it. */
  protected await(
    { channel, position, time, expires }: Asked,
    waiter: Waiter,
    isNews = false,
  ): PendingDelivery | undefined {
    const deliveries = this.open(channel, position.epoch);
    if (!deliveries.mayHold(position)) {
      this.dropEmpty(deliveries);
      return undefined;
    }
    const known = deliveries.get(position);
    const entry = known ?? new PendingDelivery(deliveries, position, time, expires);
    deliveries.wait(entry, waiter);
    if (known === undefined) this.enter(entry);
    else this.schedule(entry);
    this.lookAround(entry, isNews);
    return entry;
  }

  common(channel: string, one: string, other: string): number {
    return this.known.lineages.common(channel, one, other);
  }

  isOlder(channel: string, epoch: string): boolean {
    return this.known.lineages.isOlder(channel, epoch);
  }

  subscriptions(channel: string, position: Position): Iterable<Subscription> {
    return this.known.subscriptions(channel, position);
  }

  states(channel: string, position: Position): Iterable<DeliveryState> {
    return this.known.of(channel, position);
  }

  discharge(entry: PendingDelivery, delivery: Delivery): void {
    if (entry.content !== undefined) this.#settle(entry, { delivery });
  }

  tidy(entry: PendingDelivery): void {
    if (entry.place < 0) return;
    const { deliveries, content, waiters } = entry;
    if (content !== undefined || waiters.size > 0) return this.schedule(entry);
    deliveries.remove(entry);
    this.expiries.delete(entry);
    this.dropEmpty(deliveries);
    this.expiries.arm();
  }

  #settle(entry: PendingDelivery, outcome: NonNullable<PendingDelivery["outcome"]>): void {
    const { content } = entry;
    entry.outcome = outcome;
    if (content === undefined) return;
    this.letGo(entry);
    this.done(content.record);
    // Sessions that close may have stayed open for it.
    if (this.context.flushing) this.context.turn.schedule();
  }

  /** Ends the confirmation of a publication. */
  protected letGo(entry: PendingDelivery): void {
    const { content, deliveries } = entry;
    if (content === undefined) return;
    entry.content = undefined;
    if (content.isAwaited) this.awaited--;
    this.release(deliveries.channel, content);
  }

  /** Releases a record. Other nodes may inherit it before the log has released it. */
  done(record: string | undefined): void {
    if (record !== undefined && this.context.nodes.id !== undefined) {
      this.#done.add(record);
      trim(this.#done, maxDone);
    }
    this.context.records.release(record);
  }

  /** Whether the publication of a record was discharged or given up here. */
  isDone(record: string | undefined): boolean {
    return record !== undefined && this.#done.has(record);
  }

  giveUp(entry: PendingDelivery, reason: UndeliveredReason): void {
    const { deliveries, position, time } = entry;
    // Somebody else may wait for longer.
    const now = reason === "expired" ? this.context.clock.now() : Infinity;
    const content = entry.due <= now ? entry.content : undefined;
    const level = deliveries.levelOf(entry);
    if (content !== undefined) this.#settle(entry, { reason, level });
    deliveries.refuse(entry, reason, level, now);
    this.tidy(entry);
    if (content === undefined) return;
    const { channel } = deliveries;
    const { data, tags } = content;
    const publication = publicationOf(channel, position.epoch, { offset: position.offset, data, time, tags });
    this.givenUp.add({ channel, position, time, level, reason }, publication);
  }

  /** Called with what was read of a channel. `since` is `sequence` before that read; see `ChannelLedger.looked`. */
  looked(channel: string, slice: Slice, since: number): void {
    this.known.note(channel, slice);
    // Subscribers of the new epoch may have it already.
    for (const entry of this.channels.get(channel)?.looked(slice, since) ?? [])
      if (entry.place >= 0) this.lookAround(entry);
  }

  /** Called after an append to a channel, which may have trimmed older entries. */
  appended(channel: string): void {
    this.channels.get(channel)?.lookSoon(this.context);
  }

  /** Gives up everything that has expired. No timer does that where no end must be reported in time. */
  expire(): void {
    this.expiries.run();
  }

  clear(): void {
    this.givenUp.clear();
    this.channels.clear();
    this.known.clear();
    this.admission.clear();
    this.#done.clear();
  }
}
