import { Counts } from "../../base/counts.ts";
import type { Limits } from "./limits.ts";

/** A limit by its name, or what is dropped where others come and go too often for a listener. */
export type LimitName = keyof Limits | "announcements";

/** What has happened since a notifier began. */
export interface Counted {
  /** Who was not let in, by the HTTP status, or the close code where the socket was open already. */
  refused: Record<string, number>;
  /** Sessions that were accepted. */
  opened: number;
  /** Sessions that ended, by the code they were closed with, or that their peer left with. */
  closed: Record<string, number>;
  /** Commands answered with an error, by its code. */
  errors: Record<string, number>;
  /**
   * How often a limit was hit, by its name in `limits`. `announcements` counts those of who came and left that were dropped,
   * once for each listener, since they would have taken too much.
   */
  limits: Partial<Record<LimitName, number>>;
}

/** Codes of a peer's own that are worth telling apart; a hostile one could use any. */
const ownCodes = [1000, 1001, 1005, 1006, 1009];

/** Counts what happens. */
export class Counters {
  readonly #closed = new Counts<number | "other">();
  readonly #refused = new Counts<number>();
  readonly #errors = new Counts<number>();
  readonly #limits = new Counts<LimitName>();
  #opened = 0;

  opened(): void {
    this.#opened++;
  }

  /** We close a session. */
  closed(code: number): void {
    this.#closed.add(code);
  }

  /** A peer leaves. Some runtimes say nothing, or 0, of a connection that broke. */
  left(code: number | undefined): void {
    const known = code === undefined || code === 0 ? 1006 : code;
    this.#closed.add(ownCodes.includes(known) ? known : "other");
  }

  /** Somebody is not let in. */
  refused(code: number): void {
    this.#refused.add(code);
  }

  error(code: number): void {
    this.#errors.add(code);
  }

  hit(limit: LimitName, times = 1): void {
    this.#limits.add(limit, times);
  }

  /** What was counted so far. */
  get counts(): Counted {
    return {
      refused: Object.fromEntries(this.#refused),
      opened: this.#opened,
      closed: Object.fromEntries(this.#closed),
      errors: Object.fromEntries(this.#errors),
      limits: Object.fromEntries(this.#limits),
    };
  }
}
