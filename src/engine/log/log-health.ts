import type { Clock } from "../../base/clock.ts";
import { LogError } from "../../model/errors.ts";
import { backOff } from "./back-off.ts";

/** What may fail of a log: what is written to it, what is read from it, and what clients ask of it or of other nodes. */
export type LogPart = "appends" | "reads" | "answers";

/**
 * Milliseconds without a failure after which an outage is over. Longer than any pause between two attempts, so that a
 * log of which a part is away has one outage, however often the rest of it works meanwhile.
 */
export const calm: number = 2 * backOff.longest;

/** A time in which a part of the log fails. */
interface Failing {
  readonly since: number;
  last: number;
  /** Whether the part has worked since the last failure. */
  hasWorked: boolean;
  /** Whether the last error says that it will never work again. */
  isLasting: boolean;
  isReported: boolean;
}

/**
 * Knows what of the log fails, and since when. Of all the errors that are met in one outage, by channels, sessions,
 * publications and messages, the first one is reported.
 */
export class LogHealth {
  readonly #clock: Pick<Clock, "now">;
  readonly #failing = new Map<LogPart, Failing>();
  /** What has failed with each error. Several calls may fail with the same one. */
  #parts = new WeakMap<object, Set<LogPart>>();
  #isFailing = false;

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Called with each failure of the log, before it is reported. */
  failed(part: LogPart, error: unknown): void {
    const now = this.#clock.now();
    const failing = this.#current(part) ?? begin(now);
    failing.last = now;
    failing.hasWorked = false;
    failing.isLasting = isLasting(error);
    this.#failing.set(part, failing);
    this.#isFailing = true;
    if (typeof error !== "object" || error === null) return;
    const parts = this.#parts.get(error) ?? new Set();
    this.#parts.set(error, parts.add(part));
  }

  /** Called with each success. It costs nothing while nothing fails. */
  worked(part: LogPart): void {
    if (this.#isFailing) this.#noteWorked(part);
  }

  #noteWorked(part: LogPart): void {
    for (const each of [part, "answers"] as const) {
      const failing = this.#failing.get(each);
      if (failing === undefined) continue;
      failing.hasWorked = true;
      failing.isLasting = false;
      this.#current(each);
    }
  }

  /** Returns whether an error belongs to outages that are reported. If it does not, they are from now on. */
  isReported(error: unknown): boolean {
    if (typeof error !== "object" || error === null || isLasting(error)) return false;
    const outages = [...(this.#parts.get(error) ?? [])].map((part) => this.#current(part));
    if (outages.length === 0) return false;
    const isReported = outages.every((outage) => outage?.isReported === true);
    for (const outage of outages) if (outage !== undefined) outage.isReported = true;
    return isReported;
  }

  /** Whether the log will never again append anything for this process. */
  get isLost(): boolean {
    return this.#failing.get("appends")?.isLasting === true;
  }

  /** Returns whether something has failed with this error. */
  knows(error: unknown): boolean {
    return typeof error === "object" && error !== null && this.#parts.has(error);
  }

  /** Returns for how many milliseconds a part has been failing. 0 if it works. */
  age(part: LogPart): number {
    const failing = this.#current(part);
    return failing === undefined ? 0 : this.#clock.now() - failing.since;
  }

  /** Returns the outage of a part, unless that is over. */
  #current(part: LogPart): Failing | undefined {
    const failing = this.#failing.get(part);
    if (failing === undefined || !failing.hasWorked || this.#clock.now() - failing.last < calm)
      return failing;
    this.#failing.delete(part);
    this.#isFailing = this.#failing.size > 0;
    return undefined;
  }

  /** Forgets all outages. */
  clear(): void {
    this.#failing.clear();
    this.#parts = new WeakMap();
    this.#isFailing = false;
  }
}

function begin(now: number): Failing {
  return { since: now, last: now, hasWorked: false, isLasting: false, isReported: false };
}

function isLasting(error: unknown): boolean {
  return error instanceof LogError && error.lasting;
}
