import type { Clock } from "../../base/clock.ts";
import { readFormatted } from "../../base/formatted.ts";
import { handled } from "../../base/maybe-promise.ts";
import type { Membership } from "../../model/log.ts";

/**
 * What this process has begun and must bring to an end, as its log holds it: a run that works, or a confirmed
 * publication that waits for its delivery.
 */
export type Held =
  | { readonly is: "run" }
  /** `expires` is in milliseconds since the Unix epoch. */
  | { readonly is: "confirmed"; readonly expires: number; readonly isEnding: boolean };

/** The format of the records. A process ignores records of another format, and leaves them to others. */
const format = 1;

/** What held records are created from. */
export interface HeldRecordsParts {
  /** Whether the log has `join`, and so can hold records. */
  readonly isKept: boolean;
  readonly clock: Pick<Clock, "now">;
  /** Called after a record was released: a log with `commit` has gathered that. */
  released(): void;
  onError(error: unknown, owner: string): void;
}

/**
 * The records that this process holds in its log. When it is gone, whoever works with the log next inherits them. A log
 * that does not outlive the process holds none.
 */
export class HeldRecords {
  readonly #parts: HeldRecordsParts;
  #membership: Membership | undefined;
  /** What was released while joining was under way. */
  #early: string[] = [];
  /** Number of releases that the log has not answered yet. */
  releasing = 0;
  /** Since when there has been such a release. */
  releasingSince = 0;

  constructor(parts: HeldRecordsParts) {
    this.#parts = parts;
  }

  /** Whether the log outlives the process, and holds records. */
  get isKept(): boolean {
    return this.#parts.isKept;
  }

  /** Whether this process is a member of its log. */
  get isMember(): boolean {
    return this.#membership !== undefined;
  }

  /** Called once this process is a member of its log. */
  joined(membership: Membership): void {
    this.#membership = membership;
    for (const record of this.#early) this.release(record);
    this.#early = [];
  }

  /** Returns the text of a new record, to be given to an append. Undefined if the log holds none. */
  create(held: Held): string | undefined {
    if (!this.#parts.isKept) return undefined;
    // JSON has no Infinity.
    const bound = "expires" in held ? { expires: Math.min(held.expires, Number.MAX_SAFE_INTEGER) } : {};
    return JSON.stringify({ format, id: crypto.randomUUID(), ...held, ...bound });
  }

  release(record: string | undefined): void {
    if (record === undefined) return;
    const membership = this.#membership;
    if (membership === undefined) {
      this.#early.push(record);
      return;
    }
    const failed = (error: unknown): void => this.#parts.onError(error, "a held record");
    const releasing = handled(
      () => membership.release(record),
      () => this.#parts.released(),
      failed,
    );
    if (!(releasing instanceof Promise)) return;
    if (this.releasing === 0) this.releasingSince = this.#parts.clock.now();
    this.releasing++;
    // `handled` has reported an error, so nothing can be rejected here.
    void releasing.then(() => this.releasing--);
  }

  /** Leaves what is held to the next process. */
  async leave(): Promise<void> {
    const membership = this.#membership;
    this.#membership = undefined;
    this.#early = [];
    await membership?.[Symbol.asyncDispose]();
  }
}

/** Reads a record. Returns undefined for a format that this version does not know. */
export function heldIn(record: string): Held | undefined {
  const read = readFormatted(record, format);
  if (read === undefined) return undefined;
  if (read.is === "run") return { is: "run" };
  const { is, expires, isEnding } = read;
  if (is !== "confirmed" || typeof expires !== "number") return undefined;
  return { is, expires, isEnding: isEnding === true };
}
