import type { Pending } from "../../base/scope.ts";
import type { HeldRecord, Position } from "../../model/log.ts";
import type { Asked, Delivery, Undelivered } from "../../model/receipt.ts";
import { PendingDelivery } from "./channel-ledger.ts";
import type { Taken } from "./confirm-capacity.ts";
import type { Confirmation, Content } from "./confirmation.ts";
import { deliveryStateOf, has } from "./delivery-state.ts";
import { ForeignWaits } from "./foreign-waits.ts";
import { knownDelivery } from "./known-delivery.ts";
import { stateIn } from "./known-states.ts";
import type { DeliveredReport, DepartedReport } from "./node-reports.ts";
import { type LedgerContext, PendingDeliveries } from "./pending-deliveries.ts";
import { Questions } from "./questions.ts";
import type { Subscription } from "./subscription.ts";
import { refusal, type Waiter, type Wanted } from "./waiter.ts";

export type { LedgerContext } from "./pending-deliveries.ts";

/**
 * Records who was sent, has read and has acknowledged which publication, and who waits to know.
 *
 * A publication has an entry only while somebody waits for it, or while it must be confirmed. How far a subscriber has
 * come is a position in the channel, which covers every publication up to there.
 */
export class Ledger extends PendingDeliveries {
  readonly foreign: ForeignWaits;
  readonly #questions: Questions;
  /**
   * Called for a subscriber that has come back to this node after a position, before it was known here that it had left
   * another node.
   */
  onReturned: (by: string, channel: string, position: Position) => void = () => {};
  #isOver = false;

  constructor(context: LedgerContext) {
    super(context);
    this.foreign = new ForeignWaits(context, this);
    this.#questions = new Questions(context);
    const { nodes } = context;
    nodes.on("begun", (_, from) => this.#tellAll(from));
    nodes.onBegin.push(() => this.#begin());
    nodes.onMissed.push(() => this.#begin());
  }

  /** Asks for everything that is awaited, and what others await: this node has begun, or has missed messages. */
  #begin(): void {
    for (const entry of this.all) this.#questions.askAgain(entry);
    this.context.nodes.add(undefined, "begun", null);
  }

  /** Tells a node that has begun what is awaited here, and who has left that was sent it. */
  #tellAll(node: string): void {
    for (const entry of this.all) this.#questions.repeat(entry, node);
    for (const channel of this.channels.keys())
      for (const { epoch, ...state } of this.known.departed.all(channel))
        this.foreign.left(channel, epoch, state, node);
  }

  /** What waits to be confirmed now, including what is on its way into the log. */
  get taken(): Taken {
    return this.admission.taken;
  }

  /** Returns the confirmed publications that nobody is known to have received yet. */
  inspect(): Pending[] {
    this.expire();
    const now = this.time;
    return this.all.flatMap(({ content, deliveries, position, time }) => {
      if (content === undefined) return [];
      const owner = `confirmed ${position.offset} of ${deliveries.channel}`;
      return { kind: "publication", owner, age: now - time };
    });
  }

  /** Waits until a confirmed publication may be appended. Returns undefined if it may be at once. */
  admit(confirmation: Confirmation): Promise<void> | undefined {
    return this.admission.admit(confirmation, this.givenUp.isClosing);
  }

  /**
   * Enters a confirmed publication that is in the log, and for which there is room. Of one that was inherited, others know
   * already who was sent it.
   */
  confirm(confirmation: Confirmation, position: Position, isInherited = false): PendingDelivery {
    const { channel, content, time, ttl } = confirmation;
    this.givenUp.over(confirmation);
    const deliveries = this.open(channel, position.epoch);
    const known = deliveries.get(position);
    if (known?.content !== undefined) {
      // The log already had its key: it is the publication that waits already.
      this.release(channel, content);
      return known;
    }
    const due = this.context.clock.now() + ttl;
    const entry = known ?? new PendingDelivery(deliveries, position, time, due);
    entry.content = content;
    entry.due = due;
    if (known === undefined) this.enter(entry);
    else this.schedule(entry);
    if (content.isAwaited) this.awaited++;
    if (content.isEnding && this.admission.hasTooManyEndings) {
      this.giveUp(entry, "overflow");
      return entry;
    }
    this.lookAround(entry);
    if (!isInherited) this.#tellOfDeparted(entry);
    this.expiries.arm();
    return entry;
  }

  /**
   * Tells all nodes who was sent a publication and had left before it was awaited here: they may come back to any node.
   */
  #tellOfDeparted({ deliveries: { channel }, epoch, position: { offset }, place }: PendingDelivery): void {
    if (place < 0 || this.context.nodes.id === undefined) return;
    for (const state of this.known.departed.of(channel, { epoch, offset }))
      if (has(state, offset, "written")) this.foreign.left(channel, epoch, state);
  }

  /**
   * Enters a confirmed publication of another process. It takes its room whether there is any or not. All other nodes are
   * asked: they may have told the one that is gone.
   */
  restore(confirmation: Confirmation, position: Position): void {
    const { channel, content } = confirmation;
    const known = this.channels.get(channel)?.get(position);
    // What began here is from now on what was inherited: whoever lets go of the former keeps this.
    if (known !== undefined) this.letGo(known);
    this.admission.of(content).take(this.open(channel, position.epoch).room, content.bytes);
    const entry = this.confirm(confirmation, position, true);
    if (entry.content === content) this.#questions.askAgain(entry);
  }

  /** Lets go of one publication, for which another node is responsible. Who waits here for its delivery waits on. */
  disownOne(entry: PendingDelivery, content: Content): void {
    if (entry.content !== content) return;
    this.letGo(entry);
    for (const waiter of entry.waiters) if (waiter.node === undefined) this.#questions.ask(entry, waiter);
    this.tidy(entry);
  }

  /**
   * Lets go of what others have inherited, because the log has taken this process for gone. They report it if nobody
   * receives it. Who waits here for its delivery waits on.
   */
  disown(): void {
    for (const entry of this.all)
      if (entry.content?.record !== undefined) this.disownOne(entry, entry.content);
  }

  /** Returns what this process holds in its log for confirmed publications that wait. */
  get held(): HeldRecord[] {
    return this.all.flatMap(({ content, deliveries: { channel }, position }) =>
      content?.record === undefined ? [] : [{ record: content.record, channel, position }],
    );
  }

  /** Waits until a publication has reached somebody; see `Receipt.delivered`. */
  async delivered(
    asked: Asked,
    entry: PendingDelivery | undefined,
    wanted: Wanted,
    signal: AbortSignal | undefined,
  ): Promise<Delivery> {
    const { channel, position, time, expires } = asked;
    if (signal?.aborted) throw signal.reason;
    if (wanted.level === "logged") return { level: "logged", by: "", time };
    const states = this.states(channel, position);
    const now = { time: this.time, isDue: this.context.clock.now() >= expires, isOver: this.#isOver };
    const known = knownDelivery(asked, entry, wanted, states, now);
    if (known !== undefined) return known;
    const owner = `delivered ${position.offset} of ${channel}`;
    return await this.context.scope.wait<Delivery>(owner, signal, (settle) => {
      const waiter = { ...wanted, expires, node: undefined, isKnownToAll: true, settle };
      this.awaited++;
      const waited = this.await(asked, waiter);
      if (waited === undefined) settle.reject(refusal(channel, position, "trimmed", "logged"));
      else {
        if (waited.waiters.has(waiter)) {
          this.#questions.ask(waited, waiter);
          this.#tellOfDeparted(waited);
        }
        waited.deliveries.lookSoon(this.context);
        this.expiries.arm();
      }
      return () => {
        this.awaited--;
        if (waited === undefined) return;
        waited.deliveries.stop(waited, waiter);
        this.tidy(waited);
      };
    });
  }

  /** Makes another node wait for a publication. */
  wait(channel: string, position: Position, waiter: Waiter, isNews: boolean): void {
    const asked = { channel, position, time: this.time, expires: waiter.expires };
    if (this.await(asked, waiter, isNews) === undefined)
      waiter.settle.reject(refusal(channel, position, "trimmed", "logged"));
  }

  /** Takes what another node has told of a publication that is awaited here. */
  learn(report: DeliveredReport): void {
    const deliveries = this.channels.get(report.channel);
    const entry = deliveries?.get(report);
    if (entry !== undefined) return deliveries?.settle(entry, stateIn(report));
    this.known.learn(report);
    if (deliveries?.isUnknown(report.epoch)) deliveries.lookSoon(this.context);
  }

  /** Takes the state of a subscriber that has left another node. It may have come back to this one already. */
  departedElsewhere({ channel, epoch, waits: _, ...state }: DepartedReport): void {
    const places = this.known.placesOf(state.by, channel, { epoch, offset: state.written });
    this.known.departed.add(channel, epoch, state);
    for (const offset of places)
      if (has(state, offset, "written")) this.onReturned(state.by, channel, { epoch, offset });
  }

  /** Called when a subscription has ended. Its state is remembered for a while, and nothing more is in flight. */
  left(subscription: Subscription): void {
    const { channel, epoch, proof, cursor, session } = subscription;
    if (cursor > proof.since) {
      const state = deliveryStateOf(subscription);
      this.known.departed.add(channel.name, epoch, state);
      if (session.peer.user !== "") this.foreign.left(channel.name, epoch, state);
    }
    channel.deliveries?.giveUpTrimmed();
  }

  /** Begins to close: publishers that wait for room are refused, and what is given up from now on is in the report. */
  close(): void {
    this.expire();
    this.givenUp.close();
    this.admission.refuse();
  }

  /**
   * Gives up everything that is left, except what the log holds for the next process. Returns what was given up since
   * closing began, how many in total, and how many are left to the next process.
   */
  end(): { undelivered: Undelivered[]; givenUp: number; waiting: number } {
    let waiting = 0;
    for (const deliveries of [...this.channels.values()]) {
      const entries = deliveries.all.sort((one, other) => one.position.offset - other.position.offset);
      for (const entry of entries) {
        if (entry.content?.record !== undefined) {
          // From now on it is the next one's to give up.
          waiting++;
          this.letGo(entry);
          deliveries.refuse(entry, "closed", deliveries.levelOf(entry));
          this.tidy(entry);
        } else this.giveUp(entry, "closed");
      }
    }
    return { ...this.givenUp.end(), waiting };
  }

  override clear(): void {
    this.#isOver = true;
    super.clear();
    this.foreign.clear();
  }
}
