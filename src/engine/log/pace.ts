import type { Clock } from "../../base/clock.ts";
import { entryCost, type Log, type Retention } from "../../model/log.ts";

/** Number of publications between two checks of the time. */
const stride = 32;
/** Milliseconds that publishing may take in one turn, before everything else is served. */
const maxTurnTime = 5;
/** Milliseconds for which turns with waiting publications may follow one another before sockets are served. */
const restAfter = 10;

/** The part of the retention of a channel that the pace depends on. */
export type Keeps = Pick<Retention, "size" | "bytes" | "slack">;

/** Returns what a log keeps, with assumed values for what the log does not report. */
export function assumed({ size = 1_000, bytes = 1_048_576, slack = 0 }: Readonly<Partial<Retention>>): Keeps {
  return { size, bytes, slack };
}

/**
 * Returns the bytes of the newest publications that a log keeps in any case, including what each costs besides its
 * payload.
 */
export function surelyKept({ size, bytes, slack }: Keeps): number {
  return Math.min(bytes, size * entryCost) + slack;
}

/**
 * Returns the bytes that a publication takes of what a log keeps. Without slack, the bounds of a log are on the number of
 * publications and on the bytes of their payloads.
 */
function costOf(chars: number, slack: number): number {
  return chars + (slack > 0 ? entryCost : 0);
}

/** The retention of a log that reports none. It is one object because it is compared by identity. */
const nothing: Readonly<Partial<Retention>> = {};

/** What a pace is created from. */
export interface PaceParts {
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "keeps">;
  /** Maximum number of bytes that may be published in one turn while anybody follows a channel, over all channels. */
  readonly most: number;
  /** Whether anybody follows a channel, and could lose its position. */
  isHeard(): boolean;
  /** Schedules a turn, which calls {@linkcode Pace.turn}. */
  schedule(): void;
}

/** What was published to one channel in this turn. */
interface Taken {
  count: number;
  bytes: number;
}

/**
 * Decides when publishing must wait for the next turn of the event loop.
 *
 * Without it, a loop that publishes would block the process: appends to a log in memory are synchronous, so no timer
 * and no socket would be served, and the log would trim what was not sent to anybody yet.
 */
export class Pace {
  readonly #parts: PaceParts;
  /** A retention that was found large enough. Most logs return the same object for every channel. */
  #ample: Readonly<Partial<Retention>> | undefined;
  /** Number of publications until the next check of the time. */
  #left = stride;
  /** Bytes published in this turn and in the one before, and how many may be published in this turn. */
  #bytes = 0;
  #before = 0;
  #budget: number;
  /** When the next turn was scheduled. */
  #began = 0;
  #isSpent = false;
  #isScheduled = false;
  /** The number of turns that have begun. */
  turns = 0;
  /** Since when publications have waited in every turn, or when sockets were last served. */
  #busySince: number | undefined;
  /** What was published in this turn by channel, for logs that keep so little that one turn could exceed it. */
  readonly #taken = new Map<string, Taken>();

  constructor(parts: PaceParts) {
    this.#parts = parts;
    this.#budget = parts.most;
  }

  /** Whether nothing more may be published in this turn. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** Bytes published in this turn and the last one, including what each publication costs besides its payload. */
  get recent(): number {
    return this.#bytes + this.#before;
  }

  /** Adds a publication of so many characters to this turn. Returns false if it must wait for the next turn. */
  take(channel: string, chars: number): boolean {
    if (this.#isSpent) return false;
    const keeps = this.#parts.log.keeps?.(channel) ?? nothing;
    if (keeps !== this.#ample && !this.#fits(channel, chars, keeps)) {
      this.schedule();
      return false;
    }
    this.#bytes += chars + entryCost;
    if (--this.#left === 0 || this.#bytes >= this.#budget) this.#check();
    return true;
  }

  /**
   * Whether the publications of this turn take at most a quarter of what the log keeps of a channel, or half of it if
   * the log has no slack.
   */
  #fits(channel: string, chars: number, keeps: Readonly<Partial<Retention>>): boolean {
    const kept = assumed(keeps);
    const { size, bytes, slack } = kept;
    const { most } = this.#parts;
    const share = surelyKept(kept) / (slack > 0 ? 4 : 2);
    if (share >= most) {
      this.#ample = keeps;
      return true;
    }
    if (!this.#parts.isHeard()) return true;
    const taken = this.#takenOf(channel);
    const isBelowSize = slack > 0 || taken.count < size / 2;
    const cost = costOf(chars, slack);
    const fits = taken.count === 0 || (isBelowSize && taken.bytes + cost <= (slack > 0 ? share : bytes / 2));
    if (!fits) return false;
    this.#count(taken, cost);
    return true;
  }

  #takenOf(channel: string): Taken {
    let taken = this.#taken.get(channel);
    if (taken === undefined) {
      taken = { count: 0, bytes: 0 };
      this.#taken.set(channel, taken);
    }
    return taken;
  }

  #count(taken: Taken, cost: number): void {
    taken.count++;
    taken.bytes += cost;
    if (taken.count === 1) this.schedule();
  }

  /**
   * Counts a publication that was taken in an earlier turn, and reached the log only in this one: a slow append, or one
   * that was tried again.
   */
  charge(channel: string, chars: number): void {
    this.#bytes += chars + entryCost;
    const keeps = this.#parts.log.keeps?.(channel) ?? nothing;
    if (keeps === this.#ample || !this.#parts.isHeard()) return;
    this.#count(this.#takenOf(channel), costOf(chars, assumed(keeps).slack));
  }

  #check(): void {
    this.#left = stride;
    this.schedule();
    // If nobody follows a channel, only the time is limited.
    if (this.#bytes >= this.#budget && !this.#parts.isHeard()) this.#budget = Infinity;
    this.#isSpent = this.#bytes >= this.#budget || this.#parts.clock.now() - this.#began >= maxTurnTime;
  }

  /** Schedules a turn. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#began = this.#parts.clock.now();
    this.#parts.schedule();
  }

  /**
   * Whether sockets must be served before the turn that is due. Called at each turn; `isAwaited` is whether
   * publications wait for it.
   *
   * A turn is a `setImmediate`. Deno does not poll sockets between consecutive ones: neither a pong nor a command was
   * read while somebody published.
   */
  needsRest(isAwaited: boolean): boolean {
    if (!isAwaited) {
      this.#busySince = undefined;
      return false;
    }
    const now = this.#parts.clock.now();
    this.#busySince ??= now;
    if (now - this.#busySince < restAfter) return false;
    this.#busySince = now;
    return true;
  }

  /** Starts a turn: there is room again. */
  turn(): void {
    this.turns++;
    this.#isScheduled = false;
    this.#isSpent = false;
    this.#left = stride;
    this.#before = this.#bytes;
    this.#bytes = 0;
    this.#budget = this.#parts.most;
    this.#taken.clear();
  }
}
