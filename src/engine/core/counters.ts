import { Counts } from "../../base/counts.ts";
import type { Limits } from "./limits.ts";

/**
 * The name of a limit; `announcements`: joins and leaves that are dropped because too many come at once; or `messages`:
 * those of other nodes that this version does not know.
 */
export type LimitName = keyof Limits | "announcements" | "messages";

/** What a notifier has counted since it was created. */
export interface Counted {
  /** Peers that were refused, by HTTP status, or by close code where the socket was already open. */
  refused: Record<string, number>;
  /** Sessions that were accepted. */
  opened: number;
  /**
   * Sessions that ended, by the close code that the server sent or that the peer left with. A peer that left without a
   * code, or with 0, counts as 1006. Codes of a peer other than 1000, 1001, 1005, 1006 and 1009 count as `other`.
   */
  closed: Record<string, number>;
  /** Commands answered with an error, by error code. */
  errors: Record<string, number>;
  /**
   * How often each limit was hit, by its name in `limits`. `announcements` counts the joins and leaves that were
   * dropped because they would have taken too much room, once for each listener, or for each node that was not told.
   */
  limits: Partial<Record<LimitName, number>>;
}

/** Close codes of a peer that are counted separately. A hostile peer could send any code. */
const ownCodes = [1000, 1001, 1005, 1006, 1009];

/** Counts what a notifier reports in its statistics. */
export class Counters {
  readonly #closed = new Counts<number | "other">();
  readonly #refused = new Counts<number>();
  readonly #errors = new Counts<number>();
  readonly #limits = new Counts<LimitName>();
  #opened = 0;

  opened(): void {
    this.#opened++;
  }

  /** Counts a session that the server closes. */
  closed(code: number): void {
    this.#closed.add(code);
  }

  /** Counts a session that its peer left. Some runtimes report no code, or 0, for a broken connection. */
  left(code: number | undefined): void {
    const known = code === undefined || code === 0 ? 1006 : code;
    this.#closed.add(ownCodes.includes(known) ? known : "other");
  }

  /** Counts a peer that is refused. */
  refused(code: number): void {
    this.#refused.add(code);
  }

  error(code: number): void {
    this.#errors.add(code);
  }

  hit(limit: LimitName, times = 1): void {
    this.#limits.add(limit, times);
  }

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
