import type { Clock } from "../../base/clock.ts";
import { readFormatted } from "../../base/formatted.ts";
import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import type { HeldRecord, Membership } from "../../model/log.ts";
import { backOff, jittered, longer } from "../log/back-off.ts";
import { lastingError } from "../log/log-failure.ts";
import type { LogHealth } from "../log/log-health.ts";

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
  readonly clock: Clock;
  readonly scope: Scope;
  readonly health: LogHealth;
  /** Called after a record was released or held again: a log with `commit` has gathered that. */
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
  /** What ends the last request to release each record, until the log has answered it. */
  readonly #releases = new Map<string, AbortController>();
  /** Number of releases that the log has not answered yet, and of records that it does not hold again yet. */
  releasing = 0;
  /** Since when there has been such a request. */
  releasingSince = 0;
  #answered: (() => void) | undefined;
  /** Whether this process has no place in the log any more, and gets none. */
  #isOver = false;

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

  /** Releases a record. While the log fails, this is tried again. */
  release(record: string | undefined): void {
    if (record === undefined) return;
    const membership = this.#membership;
    if (membership === undefined) {
      if (!this.#isOver) this.#early.push(record);
      return;
    }
    const kept = new AbortController();
    const { signal } = kept;
    this.#releases.set(record, kept);
    andThen(
      this.#ask(membership, () => membership.release(record, { signal }), signal),
      () => {
        if (this.#releases.get(record) === kept) this.#releases.delete(record);
      },
    );
  }

  /** Keeps a record whose release the log may not have answered yet: it is not asked for again. */
  keep(record: string | undefined): void {
    if (record !== undefined) this.#releases.get(record)?.abort();
  }

  /** Holds a record again, because the store may not know it any more. While the log fails, this is tried again. */
  hold(held: HeldRecord): void {
    const membership = this.#membership;
    if (membership !== undefined) void this.#ask(membership, () => membership.hold?.(held));
  }

  /** Asks the log until it answers, or `signal` aborts. */
  #ask(membership: Membership, call: () => void | Promise<void>, signal?: AbortSignal): MaybePromise<void> {
    const answer = called(call);
    if (!(answer instanceof Promise)) return this.#parts.released();
    if (this.releasing === 0) this.releasingSince = this.#parts.clock.now();
    this.releasing++;
    return this.#wait(membership, call, answer, signal);
  }

  /** Waits for an answer, and asks again while the log fails. What belongs to a former membership is dropped. */
  async #wait(
    membership: Membership,
    call: () => void | Promise<void>,
    first: Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { scope, clock, health, onError, released } = this.#parts;
    const owner = "a held record";
    try {
      let answer: void | Promise<void> = first;
      for (let wait = backOff.first; ; wait = longer(wait)) {
        try {
          await answer;
          released();
          return;
        } catch (error) {
          if (this.#membership !== membership || signal?.aborted) return;
          const lasting = lastingError(error, "release what the log holds");
          health.failed("appends", lasting ?? error);
          if (wait === backOff.first || lasting !== undefined) onError(lasting ?? error, owner);
          if (lasting !== undefined) return;
        }
        await scope.sleep(owner, jittered(wait, clock));
        if (this.#membership !== membership || signal?.aborted) return;
        answer = called(call);
      }
    } catch {
      // The scope has ended: the next process releases it.
    } finally {
      this.releasing--;
      if (this.releasing === 0) this.#answered?.();
    }
  }

  /** Called when the log has taken this process for gone: others hold its records now. */
  lost(isForEver: boolean): void {
    this.#membership = undefined;
    this.#early = [];
    this.#isOver = isForEver;
  }

  /** Leaves what is held to the next process, once the log has answered all releases. */
  async leave(): Promise<void> {
    const membership = this.#membership;
    this.#isOver = true;
    this.#early = [];
    if (membership !== undefined && this.releasing > 0) await this.#settled();
    this.#membership = undefined;
    await membership?.[Symbol.asyncDispose]();
  }

  #settled(): Promise<void> {
    return this.#parts.scope.wait<void>("held records", undefined, ({ resolve }) => {
      this.#answered = resolve;
      return () => {
        this.#answered = undefined;
      };
    });
  }
}

/** Calls a function. What it throws is a rejection. */
function called(call: () => void | Promise<void>): void | Promise<void> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
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
