import type { Level } from "./receipt.ts";
import type { Subscription } from "./subscription.ts";

/** How far somebody has come in a channel. Offsets up to `since` were never sent to them from here. */
export interface Standing {
  /** The user, or the id of a session without one. */
  readonly by: string;
  since: number;
  written: number;
  read: number;
  acknowledged: number;
  /** What discharges a confirmed publication: acknowledged, or read by a client that never acknowledges. */
  discharged: number;
  /** When they were last heard to acknowledge, in milliseconds since the Unix epoch. */
  time: number;
}

/** What is remembered of those who left a channel. */
interface Departed {
  epoch: string;
  /** The furthest that anybody of them was sent. */
  written: number;
  readonly standings: Map<string, Standing>;
}

/** Standings of those who left, in all channels together. Past it the longest unused channel's are forgotten first. */
const remembered = 10_000;

/** How far a subscription is now. */
export function standingOf({ session, proof, cursor, acknowledged, heard, quit }: Subscription): Standing {
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
    time: heard,
  };
}

/** Whether a publication has come so far with somebody. */
export function has(standing: Standing, offset: number, level: Level | "discharged"): boolean {
  return level === "logged" || (standing.since < offset && offset <= standing[level]);
}

/** How far those had come who left, so that what they received is known for a while after. */
export class Standings {
  readonly #channels = new Map<string, Departed>();
  #size = 0;

  /** Those who left a channel, as far as they may have been sent something from `offset` on. */
  of(channel: string, epoch: string, offset: number): Iterable<Standing> {
    const departed = this.#channels.get(channel);
    if (departed === undefined || departed.epoch !== epoch || departed.written < offset) return [];
    return departed.standings.values();
  }

  get(channel: string, epoch: string, by: string): Standing | undefined {
    const departed = this.#channels.get(channel);
    return departed?.epoch === epoch ? departed.standings.get(by) : undefined;
  }

  /** Somebody leaves a channel. */
  add(channel: string, epoch: string, standing: Standing): void {
    let departed = this.#channels.get(channel);
    if (departed?.epoch !== epoch) {
      this.#size -= departed?.standings.size ?? 0;
      departed = { epoch, written: 0, standings: new Map() };
    }
    // The channels least recently left come first.
    this.#channels.delete(channel);
    this.#channels.set(channel, departed);
    const known = departed.standings.get(standing.by);
    if (known === undefined) this.#size++;
    departed.standings.delete(standing.by);
    departed.standings.set(standing.by, known === undefined ? standing : joined(known, standing));
    departed.written = Math.max(departed.written, standing.written);
    while (this.#size > remembered) this.#forget();
  }

  #forget(): void {
    for (const [channel, { standings }] of this.#channels) {
      for (const by of standings.keys()) {
        standings.delete(by);
        this.#size--;
        break;
      }
      if (standings.size === 0) this.#channels.delete(channel);
      return;
    }
  }

  clear(): void {
    this.#channels.clear();
    this.#size = 0;
  }
}

/** Two stretches of one channel as one, where they meet; else the later one, since what lies between was never sent. */
function joined(one: Standing, other: Standing): Standing {
  const [first, last] = one.since <= other.since ? [one, other] : [other, one];
  if (last.since > first.written) return last;
  const furthest = (level: "written" | "read" | "acknowledged" | "discharged"): number =>
    first[level] >= last.since ? Math.max(first[level], last[level]) : first[level];
  return {
    by: first.by,
    since: first.since,
    written: furthest("written"),
    read: furthest("read"),
    acknowledged: furthest("acknowledged"),
    discharged: furthest("discharged"),
    time: Math.max(one.time, other.time),
  };
}
