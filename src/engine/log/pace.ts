import type { Clock } from "../../base/clock.ts";
import { entryCost, type Log, type Retention } from "../../model/log.ts";

/** Publications after which the time is looked at. */
const stride = 32;
/** Milliseconds that publishing may take before everything else has its turn. */
const longest = 5;
/** Milliseconds for which turns may follow one another, with something waiting in each, before sockets have theirs. */
const restless = 10;

/** How much of a channel a log keeps, as far as the pace is concerned. */
export type Keeps = Pick<Retention, "size" | "bytes" | "slack">;

/** What a log says that it keeps, and what is assumed where it does not say. */
export function assumed({ size = 1_000, bytes = 1_048_576, slack = 0 }: Readonly<Partial<Retention>>): Keeps {
  return { size, bytes, slack };
}

/** Bytes of publications, with what they take beside their payloads, of which a log keeps the newest in any case. */
export function surelyKept({ size, bytes, slack }: Keeps): number {
  return Math.min(bytes, size * entryCost) + slack;
}

/** What a log says that says nothing; one object, so that it is recognised. */
const nothing: Readonly<Partial<Retention>> = {};

/** What the pace needs to know. */
export interface PaceParts {
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "keeps">;
  /** Bytes that may be published in a turn while somebody listens, to all channels together. */
  readonly most: number;
  /** Whether somebody follows any channel, and could lose its place. */
  isHeard(): boolean;
  /** Has a turn come, in which {@linkcode Pace.turn} is called. */
  schedule(): void;
}

/** What was published to one channel in this turn. */
interface Taken {
  count: number;
  bytes: number;
}

/**
 * Says when publishing has to wait for the next turn of the event loop.
 *
 * Without it a loop that publishes would keep the process from everything else: appends to a log in memory are over at
 * once, so that neither a timer nor a socket has its turn, and the log trims what nobody was sent yet.
 */
export class Pace {
  readonly #parts: PaceParts;
  /** Retention that was found to be ample; for most logs it is the same object for every channel. */
  #ample: Readonly<Partial<Retention>> | undefined;
  /** Publications until the next look at the time. */
  #left = stride;
  /** Bytes published in this turn, in the one before it, and how many may be. */
  #bytes = 0;
  #before = 0;
  #budget: number;
  /** When this turn was first looked at. */
  #began = 0;
  #isSpent = false;
  #isScheduled = false;
  /** Since when something has waited in every turn, or sockets last had theirs. */
  #busySince: number | undefined;
  /** By channel, for logs that keep so little that a turn could overrun it. */
  readonly #taken = new Map<string, Taken>();

  constructor(parts: PaceParts) {
    this.#parts = parts;
    this.#budget = parts.most;
  }

  /** Whether nothing more may be published in this turn. */
  get isSpent(): boolean {
    return this.#isSpent;
  }

  /** Bytes that were published in this turn and the last one, with what they take beside their payloads. */
  get recent(): number {
    return this.#bytes + this.#before;
  }

  /** Takes a publication of so many characters into this turn. Answers false where it has to wait for the next one. */
  take(channel: string, chars: number): boolean {
    if (this.#isSpent) return false;
    const keeps = this.#parts.log.keeps?.(channel) ?? nothing;
    if (keeps !== this.#ample && !this.#fits(channel, chars, keeps)) {
      this.schedule();
      return false;
    }
    this.#bytes += chars + entryCost;
    if (--this.#left === 0 || this.#bytes >= this.#budget) this.#look();
    return true;
  }

  /** Whether a turn takes no more than a quarter of what the log keeps of a channel, or half of what has no slack. */
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
    let taken = this.#taken.get(channel);
    if (taken === undefined) {
      taken = { count: 0, bytes: 0 };
      this.#taken.set(channel, taken);
    }
    // Without slack a log counts payloads, and how many they are.
    const isFew = slack > 0 || taken.count < size / 2;
    const cost = chars + (slack > 0 ? entryCost : 0);
    const fits = taken.count === 0 || (isFew && taken.bytes + cost <= (slack > 0 ? share : bytes / 2));
    if (!fits) return false;
    taken.count++;
    taken.bytes += cost;
    if (taken.count === 1) this.schedule();
    return true;
  }

  #look(): void {
    this.#left = stride;
    this.schedule();
    // With nobody to hear it, only the time counts.
    if (this.#bytes >= this.#budget && !this.#parts.isHeard()) this.#budget = Infinity;
    this.#isSpent = this.#bytes >= this.#budget || this.#parts.clock.now() - this.#began >= longest;
  }

  /** Has a turn come. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#began = this.#parts.clock.now();
    this.#parts.schedule();
  }

  /**
   * Whether sockets have to come before the turn that is due. Asked at each turn, and told whether something waits for it.
   *
   * A turn is a `setImmediate`. On Deno sockets are not looked at between those that follow one another: neither a pong nor
   * a command was read while somebody published.
   */
  needsRest(isAwaited: boolean): boolean {
    if (!isAwaited) {
      this.#busySince = undefined;
      return false;
    }
    const now = this.#parts.clock.now();
    this.#busySince ??= now;
    if (now - this.#busySince < restless) return false;
    this.#busySince = now;
    return true;
  }

  /** A turn has come: there is room again. */
  turn(): void {
    this.#isScheduled = false;
    this.#isSpent = false;
    this.#left = stride;
    this.#before = this.#bytes;
    this.#bytes = 0;
    this.#budget = this.#parts.most;
    this.#taken.clear();
  }
}
