import type { Level } from "../../model/receipt.ts";
import type { DeliveryState, Subscription } from "./subscription.ts";

/** What is remembered of those who left a channel. */
interface Departed {
  epoch: string;
  /** The furthest that anybody of them was sent. */
  written: number;
  /** Each stretch that somebody was subscribed for, the last one last. */
  readonly stretches: Map<string, DeliveryState[]>;
}

/** Stretches of those who left, in all channels together. Past it those of the channel longest unused are forgotten. */
const remembered = 10_000;
/** Stretches of one subscriber in one channel. */
const longest = 8;

/** How far a subscription is now. */
export function deliveryStateOf({
  session,
  proof,
  cursor,
  acknowledged,
  acknowledgedAt,
  quit,
}: Subscription): DeliveryState {
  const { window } = session;
  const read = Math.max(quit ?? window.readOf(proof, cursor), acknowledged);
  return {
    by: session.identity,
    since: proof.since,
    // A pong may come while the frame is still being handed over.
    written: Math.max(window.writtenOf(proof, cursor), read),
    read,
    acknowledged,
    discharged: session.acknowledges ? acknowledged : read,
    time: acknowledgedAt,
  };
}

/** Whether a publication has come so far with somebody. */
export function has(state: DeliveryState, offset: number, level: Level | "discharged"): boolean {
  return level === "logged" || (state.since < offset && offset <= state[level]);
}

/** How far those had come who left, so that what they received is known for a while after. */
export class DepartedStates {
  readonly #channels = new Map<string, Departed>();
  #size = 0;

  /** Those who left a channel, as far as they may have been sent something from `offset` on. */
  *of(channel: string, epoch: string, offset: number): Generator<DeliveryState> {
    const departed = this.#channels.get(channel);
    if (departed === undefined || departed.epoch !== epoch || departed.written < offset) return;
    for (const stretches of departed.stretches.values()) yield* stretches;
  }

  get(channel: string, epoch: string, by: string): readonly DeliveryState[] {
    const departed = this.#channels.get(channel);
    return (departed?.epoch === epoch ? departed.stretches.get(by) : undefined) ?? [];
  }

  /** Somebody leaves a channel. */
  add(channel: string, epoch: string, state: DeliveryState): void {
    const departed = this.#departed(channel, epoch);
    const stretches = departed.stretches.get(state.by) ?? [];
    // The subscribers least recently there come first.
    departed.stretches.delete(state.by);
    departed.stretches.set(state.by, stretches);
    departed.written = Math.max(departed.written, state.written);
    const last = stretches.at(-1);
    if (last !== undefined && goesOn(last, state)) {
      stretches[stretches.length - 1] = { ...state, since: last.since };
      return;
    }
    stretches.push(state);
    if (stretches.length > longest) stretches.shift();
    else this.#size++;
    while (this.#size > remembered) this.#forget();
  }

  /** The channel, as the one that was used last. */
  #departed(channel: string, epoch: string): Departed {
    let departed = this.#channels.get(channel);
    if (departed?.epoch !== epoch) {
      for (const stretches of departed?.stretches.values() ?? []) this.#size -= stretches.length;
      departed = { epoch, written: 0, stretches: new Map() };
    }
    this.#channels.delete(channel);
    this.#channels.set(channel, departed);
    return departed;
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

/** Whether one stretch goes on where another ended, with nothing of that left open: then they are one. */
function goesOn({ by: _, since: __, time: ___, ...reached }: DeliveryState, next: DeliveryState): boolean {
  return Object.values(reached).every((offset) => offset === next.since);
}
