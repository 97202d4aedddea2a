import { trim } from "../../base/trim.ts";
import type { Position, Slice } from "../../model/log.ts";
import { DepartedStates, deliveryStateOf } from "./delivery-state.ts";
import { Lineages } from "./lineages.ts";
import type { DeliveredReport } from "./node-reports.ts";
import type { DeliveryState, Followed, Subscription } from "./subscription.ts";

/** Maximum number of deliveries that other nodes told, and that nobody waited for. */
const maxLearned = 10_000;

/** How far subscribers are known to have come: those that are here, those that have left, and those of other nodes. */
export class KnownStates {
  readonly #followed: (channel: string) => Followed | undefined;
  readonly lineages: Lineages = new Lineages();
  readonly departed: DepartedStates = new DepartedStates(this.lineages);
  /**
   * What other nodes told before it was known here that the publication is in the log, or after it was given up. By
   * publication.
   */
  readonly #learned = new Map<string, DeliveryState>();

  /** `followed` returns the channel of that name, while it is in use. */
  constructor(followed: (channel: string) => Followed | undefined) {
    this.#followed = followed;
  }

  /** Notes what a read has said of a channel. */
  note(channel: string, slice: Slice): void {
    this.lineages.note(channel, slice);
  }

  /** Returns the current subscriptions of a channel, if its epoch is the same as this one up to an offset. */
  subscriptions(channel: string, { epoch, offset }: Position): Iterable<Subscription> {
    const live = this.#followed(channel);
    if (live === undefined) return [];
    return this.lineages.common(channel, live.epoch, epoch) >= offset ? live.subscriptions : [];
  }

  /** Returns the known states of subscribers that may have been sent a publication. */
  *of(channel: string, position: Position): Generator<DeliveryState> {
    const { offset } = position;
    for (const subscription of this.subscriptions(channel, position)) {
      if (subscription.proof.since < offset && offset <= subscription.cursor)
        yield deliveryStateOf(subscription);
    }
    yield* this.elsewhere(channel, position);
  }

  /** The same, without those that are here. */
  *elsewhere(channel: string, position: Position): Generator<DeliveryState> {
    yield* this.departed.of(channel, position);
    const learned = this.#learned.size === 0 ? undefined : this.#learned.get(keyOf(channel, position));
    if (learned !== undefined) yield learned;
  }

  /** Returns the offsets after which sessions of a subscriber have continued here, who said that they have what is before. */
  placesOf(by: string, channel: string, position: Position): number[] {
    const known = this.departed.get(channel, position, by).filter(({ isFresh }) => isFresh !== true);
    const places = known.map(({ since }) => since);
    for (const { session, proof, isFresh } of this.subscriptions(channel, position))
      if (session.identity === by && isFresh !== true) places.push(proof.since);
    return places;
  }

  /** Remembers what another node told and nobody waits for. */
  learn(report: DeliveredReport): void {
    this.#learned.set(keyOf(report.channel, report), stateIn(report));
    trim(this.#learned, maxLearned);
  }

  clear(): void {
    this.departed.clear();
    this.lineages.clear();
    this.#learned.clear();
  }
}

/** Returns what a report says of one publication as the state of its subscriber. */
export function stateIn({ offset, level, by, time, discharges }: DeliveredReport): DeliveryState {
  const upTo = (isReached: boolean): number => (isReached ? offset : offset - 1);
  return {
    by,
    since: offset - 1,
    written: upTo(level !== "logged"),
    read: upTo(level === "read" || level === "acknowledged"),
    acknowledged: upTo(level === "acknowledged"),
    discharged: upTo(discharges),
    time,
  };
}

/** Returns a publication as a text. The name of a channel contains no line break. */
export function keyOf(channel: string, { epoch, offset }: Position): string {
  return `${channel}\n${epoch}\n${offset}`;
}
