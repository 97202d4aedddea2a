import type { Position } from "../../model/log.ts";
import type { Level } from "../../model/receipt.ts";
import type { Lineages } from "./lineages.ts";
import type { DeliveryState, Subscription } from "./subscription.ts";

/** The state of one period of subscription, and the epoch of its offsets. */
type Stretch = DeliveryState & { readonly epoch: string };

/** What is remembered of the subscribers that left a channel. */
interface Departed {
  /** The epoch of the last one that left. */
  epoch: string;
  /** The highest offset that was written to any of them. */
  written: number;
  /** By subscriber: its stretches. The last one comes last. */
  readonly stretches: Map<string, Stretch[]>;
}

/**
 * Maximum number of stretches in all channels together. Above it, those of the least recently used channel are
 * forgotten.
 */
const maxStretches = 10_000;
/** Maximum number of stretches of one subscriber in one channel. */
const maxPerSubscriber = 8;

/** Returns how far a subscription has come. */
export function deliveryStateOf({
  session,
  proof,
  cursor,
  acknowledged,
  acknowledgedAt,
  quit,
  isFresh,
}: Subscription): DeliveryState {
  const { window } = session;
  const read = Math.max(quit ?? window.readOf(proof, cursor), acknowledged);
  return {
    by: session.identity,
    since: proof.since,
    // A pong may arrive while the frame is still being passed to the socket.
    written: Math.max(window.writtenOf(proof, cursor), read),
    read,
    acknowledged,
    discharged: session.acknowledges ? acknowledged : read,
    time: acknowledgedAt,
    isFresh,
  };
}

/** Whether a publication has reached a level with a subscriber. */
export function has(state: DeliveryState, offset: number, level: Level | "discharged"): boolean {
  return level === "logged" || (state.since < offset && offset <= state[level]);
}

/** How far subscribers had come when they left, so that what they received stays known for a while. */
export class DepartedStates {
  readonly #channels = new Map<string, Departed>();
  readonly #lineages: Pick<Lineages, "common">;
  #size = 0;

  constructor(lineages: Pick<Lineages, "common">) {
    this.#lineages = lineages;
  }

  /** Returns the states of those who left a channel and may have been sent something from `offset` on. */
  *of(channel: string, { epoch, offset }: Position): Generator<DeliveryState> {
    const departed = this.#channels.get(channel);
    if (departed === undefined || departed.written < offset) return;
    for (const stretches of departed.stretches.values())
      for (const stretch of stretches) if (this.#covers(channel, stretch, epoch, offset)) yield stretch;
  }

  /** Returns all states of those who left a channel, with the epochs of their offsets. */
  all(channel: string): Stretch[] {
    return [...(this.#channels.get(channel)?.stretches.values() ?? [])].flat();
  }

  /** Returns the states that a subscriber left, up to an offset that is of their epoch, or of one that continues it. */
  get(channel: string, { epoch, offset }: Position, by: string): readonly DeliveryState[] {
    const stretches = this.#channels.get(channel)?.stretches.get(by) ?? [];
    return stretches.filter((stretch) => this.#covers(channel, stretch, epoch, offset));
  }

  #covers(channel: string, stretch: Stretch, epoch: string, offset: number): boolean {
    return stretch.epoch === epoch || this.#lineages.common(channel, stretch.epoch, epoch) >= offset;
  }

  /** Remembers the state of a subscriber that leaves a channel. */
  add(channel: string, epoch: string, left: DeliveryState): void {
    const state = { ...left, epoch };
    const departed = this.#departed(channel, epoch);
    const stretches = departed.stretches.get(state.by) ?? [];
    // Keep the subscriber that left least recently first.
    departed.stretches.delete(state.by);
    departed.stretches.set(state.by, stretches);
    departed.written = Math.max(departed.written, state.written);
    if (stretches.some((each) => isSame(each, state))) return;
    const last = stretches.at(-1);
    if (last !== undefined && goesOn(last, state)) {
      stretches[stretches.length - 1] = { ...state, since: last.since, isFresh: last.isFresh };
      return;
    }
    stretches.push(state);
    if (stretches.length > maxPerSubscriber) stretches.shift();
    else this.#size++;
    while (this.#size > maxStretches) this.#forget();
  }

  /** Returns the entry of a channel, and makes it the most recently used. */
  #departed(channel: string, epoch: string): Departed {
    let departed = this.#channels.get(channel);
    if (departed === undefined || !this.#isContinued(channel, departed.epoch, epoch)) {
      for (const stretches of departed?.stretches.values() ?? []) this.#size -= stretches.length;
      departed = { epoch, written: 0, stretches: new Map() };
    }
    departed.epoch = epoch;
    this.#channels.delete(channel);
    this.#channels.set(channel, departed);
    return departed;
  }

  #isContinued(channel: string, one: string, other: string): boolean {
    return one === other || this.#lineages.common(channel, one, other) > 0;
  }

  #forget(): void {
    for (const [channel, { stretches }] of this.#channels) {
      for (const [by, each] of stretches) {
        stretches.delete(by);
        this.#size -= each.length;
        break;
      }
      if (stretches.size === 0) this.#channels.delete(channel);
      return;
    }
  }

  clear(): void {
    this.#channels.clear();
    this.#size = 0;
  }
}

/** Whether a stretch is known already: other nodes may tell of it more than once. */
function isSame(one: Stretch, other: Stretch): boolean {
  return one.epoch === other.epoch && one.since === other.since && one.written === other.written;
}

/**
 * Whether one stretch continues where another ended, and nothing of that one is unacknowledged or unread: then they are
 * merged.
 */
function goesOn(last: Stretch, next: Stretch): boolean {
  const { written, read, acknowledged, discharged } = last;
  const isThere = [written, read, acknowledged, discharged].every((offset) => offset === next.since);
  return isThere && last.epoch === next.epoch;
}
