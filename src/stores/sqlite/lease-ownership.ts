import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import { LogError } from "../../model/errors.ts";
import { HeadTable, type LogRow } from "./head-table.ts";
import type { Head, Ownership, OwnershipParts } from "./ownership.ts";

/** What an ownership with a lease is created from. */
export interface LeaseOwnershipParts extends OwnershipParts {
  readonly clock: Clock;
  readonly scope: Scope;
  readonly lease: number;
  readonly durability: "power" | "process";
}

/** The longest time between two looks at whether the database is free, in milliseconds. */
const longestWait = 250;
const beatOnce = "UPDATE tocsin_log SET beat = ? WHERE owner = ? RETURNING 1";

/**
 * The ownership of a database that several processes can open. The owner beats every third of its lease. One that was silent for two thirds
 * of it is taken for gone. It may still live, so each of its transactions looks first whether it is the owner.
 */
export class LeaseOwnership implements Ownership {
  readonly #parts: LeaseOwnershipParts;
  readonly #table: HeadTable;
  /** The owner that others see here, and for how long it was silent while this process watched. */
  #seen: { owner: string; beat: number; at: number; silence: number } | undefined;
  #head: Head | undefined;
  #beaten = 0;
  #isRenewing = false;
  #stopBeating = (): void => {};
  /** A name that no other owner ever has. */
  id = "";
  /** Why the database was lost to another process. */
  lost: LogError | undefined;

  constructor(parts: LeaseOwnershipParts) {
    this.#parts = parts;
    this.#table = new HeadTable(parts.port, parts.epochs);
  }

  get retryAfter(): number {
    return Math.min(longestWait, this.#parts.lease / 3);
  }

  get isOwner(): boolean {
    return this.#head !== undefined;
  }

  get isSure(): boolean {
    const { clock, lease } = this.#parts;
    return this.#head !== undefined && clock.now() - this.#beaten < (lease * 2) / 3;
  }

  get head(): Head {
    return this.isSure && this.#head !== undefined ? this.#head : this.#table.read();
  }

  set head(head: Head) {
    this.#head = head;
  }

  acquire(): boolean {
    if (this.lost !== undefined) throw this.lost;
    if (this.isOwner) return true;
    const { port, epochs, lease, durability, clock, onAcquired } = this.#parts;
    // Looking takes no lock.
    if (!this.#isFree(this.#table.read())) return false;
    const id = epochs.next();
    // A power cut must not bring back the database as it was before: it says that nothing can have been lost.
    port.sync(true);
    let isUsed = false;
    const head = port.write(() => {
      const row = this.#table.read();
      if (!this.#isFree(row)) return undefined;
      isUsed = row.since > 0;
      this.#table.own({ owner: id, lease, clean: durability === "power" }, clock.time());
      return row.clean && !this.#isRenewing ? row : this.#table.renew(row);
    });
    if (head === undefined) return false;
    port.sync(durability === "power");
    this.id = id;
    this.#head = head;
    this.#seen = undefined;
    this.#isRenewing = false;
    this.#beaten = clock.now();
    this.#beatLater(lease / 3);
    onAcquired(isUsed);
    return true;
  }

  demand(): void {
    if (!this.acquire()) throw this.#taken();
  }

  demandFree(): void {
    if (!this.#isFree(this.#table.read(false))) throw this.#taken();
  }

  /** It counts as a beat. */
  fence(): void {
    const { port, clock } = this.#parts;
    if (port.rows(beatOnce, clock.time(), this.id).length === 0) throw this.#toLost();
    this.#beaten = clock.now();
  }

  rebase(): Head {
    return this.#table.rebase(this.head);
  }

  renew(): void {
    this.#isRenewing = true;
    if (!this.isOwner) return;
    this.#head = this.#parts.port.write(() => {
      this.fence();
      return this.#table.renew(this.head);
    });
    this.#isRenewing = false;
  }

  release(): void {
    this.#stopBeating();
    if (!this.isOwner) return;
    this.#head = undefined;
    try {
      const sql = "UPDATE tocsin_log SET owner = NULL, clean = 1 WHERE owner = ?";
      this.#parts.port.rows(sql, this.id);
    } catch {
      // The next owner waits until this one has been silent for long enough.
    }
  }

  lose(): void {
    this.#stopBeating();
    this.#head = undefined;
    if (this.lost !== undefined) this.#parts.onLost(this.lost);
  }

  /**
   * Whether nobody owns the database, or its owner was silent for too long. The wall clock says how long it was silent
   * before this process first looked. After that only the time counts in which this process looked: if both stood
   * still, the owner gets the time to beat again.
   */
  #isFree({ owner, beat, lease }: LogRow): boolean {
    if (owner === null) return true;
    const { clock } = this.#parts;
    const at = clock.now();
    const seen = this.#seen;
    let silence = seen?.owner === owner ? 0 : Math.max(clock.time() - beat, 0);
    if (seen?.owner === owner && seen.beat === beat)
      silence = seen.silence + Math.min(at - seen.at, lease / 3);
    this.#seen = { owner, beat, at, silence };
    return silence >= (lease * 2) / 3;
  }

  #taken(): LogError {
    const { owner, since } = this.#table.read(false);
    const when = new Date(since).toISOString();
    const advice = "Stop that process, or wait for its end: join() does";
    return new LogError(
      `Cannot write to the log: process ${owner} owns its database since ${when}. ${advice}`,
    );
  }

  #toLost(): LogError {
    const silence = ((this.#parts.clock.now() - this.#beaten) / 1000).toFixed(1);
    const why = `another process has taken its database over, because this one was silent for ${silence} s`;
    const advice = "Create a new log, and find what has stopped this process";
    this.lost ??= new LogError(`Cannot write to the log: ${why}. ${advice}`, { lasting: true });
    return this.lost;
  }

  /** Commits are beats, too: the timer beats only when there was none for a third of the lease. */
  #beatLater(wait: number): void {
    const { scope, clock, lease } = this.#parts;
    this.#stopBeating = scope.timer("the beat of the log", wait, () => {
      const rest = this.#beaten + lease / 3 - clock.now();
      if (rest <= 0) this.#beat();
      if (this.isOwner) this.#beatLater(rest > 0 ? rest : lease / 3);
    });
  }

  #beat(): void {
    try {
      this.fence();
    } catch {
      // The next commit meets an error of the database, too, and throws it.
      if (this.lost !== undefined) this.lose();
    }
  }
}
