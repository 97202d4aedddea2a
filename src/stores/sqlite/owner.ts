import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import { LogError } from "../../model/errors.ts";
import type { Position } from "../../model/log.ts";
import { continuing } from "./channel-row.ts";
import type { SqlPort } from "./database.ts";
import type { Epochs } from "./epochs.ts";
import { restored, stored } from "./text.ts";

/** What holds for all channels of a database. */
export interface Head {
  /** What the epoch of a channel is made of that the database does not have, and those that it continues. */
  readonly base: string;
  readonly lineage: readonly Position[];
  /** The epochs of channels with another stamp are over. */
  readonly stamp: string;
}

/** The row of the table `tocsin_log`. */
interface LogRow extends Head {
  readonly owner: string | null;
  readonly since: number;
  /** When the owner was last heard of, on the wall clock. */
  readonly beat: number;
  readonly lease: number;
  /** Whether nothing can have been lost since the last owner. */
  readonly clean: boolean;
}

/** What an ownership is created from. */
export interface OwnershipParts {
  readonly port: SqlPort;
  readonly clock: Clock;
  readonly scope: Scope;
  readonly epochs: Epochs;
  readonly lease: number;
  readonly durability: "power" | "process";
  /** Is called with whether another process may have written to the database before. */
  onAcquired(isUsed: boolean): void;
  onLost(error: LogError): void;
}

const beatOnce = "UPDATE tocsin_log SET beat = ? WHERE owner = ? RETURNING 1";

/**
 * Which process may write to the database. The owner beats every third of its lease. One that was silent for two thirds
 * of it is taken for gone. It may still live, so each of its transactions looks first whether it is the owner.
 */
export class Ownership {
  readonly #parts: OwnershipParts;
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

  constructor(parts: OwnershipParts) {
    this.#parts = parts;
  }

  get isOwner(): boolean {
    return this.#head !== undefined;
  }

  /** Whether nobody else can have written since this process last looked, so that what it remembers is true. */
  get isSure(): boolean {
    const { clock, lease } = this.#parts;
    return this.#head !== undefined && clock.now() - this.#beaten < (lease * 2) / 3;
  }

  /** What holds for all channels. Only the owner changes it. */
  get head(): Head {
    return this.isSure && this.#head !== undefined ? this.#head : this.#read();
  }

  set head(head: Head) {
    this.#head = head;
  }

  /** Makes this process the owner, unless another one is. */
  acquire(): boolean {
    if (this.lost !== undefined) throw this.lost;
    if (this.isOwner) return true;
    const { port, epochs, lease, durability, clock, onAcquired } = this.#parts;
    // Looking takes no lock.
    if (!this.#isFree(this.#read())) return false;
    const id = epochs.next();
    // A power cut must not bring back the database as it was before: it says that nothing can have been lost.
    port.sync(true);
    let isUsed = false;
    const head = port.write(() => {
      const row = this.#read();
      if (!this.#isFree(row)) return undefined;
      isUsed = row.since > 0;
      const now = clock.time();
      const isClean = durability === "power" ? 1 : 0;
      const owner = "owner = ?, since = ?, beat = ?, lease = ?, clean = ?";
      port.rows(`UPDATE tocsin_log SET ${owner}`, id, now, now, lease, isClean);
      return row.clean && !this.#isRenewing ? row : this.#writeRenewed(row);
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

  /**
   * Makes this process the owner.
   *
   * @throws {LogError} when another process is, or when this one was and was taken for gone
   */
  demand(): void {
    if (!this.acquire()) throw this.#taken();
  }

  /** @throws {LogError} when any process owns the database */
  demandFree(): void {
    if (!this.#isFree(this.#read(false))) throw this.#taken();
  }

  /**
   * Looks in a transaction whether this process is still the owner. It counts as a beat.
   *
   * @throws {LogError} a lasting one, which is `lost` then, when another process is
   */
  fence(): void {
    const { port, clock } = this.#parts;
    if (port.rows(beatOnce, clock.time(), this.id).length === 0) throw this.#toLost();
    this.#beaten = clock.now();
  }

  /** Gives unknown channels another epoch, after channels were forgotten. It runs in a transaction. */
  rebase(): Head {
    const { stamp } = this.head;
    return this.#write({ base: this.#parts.epochs.next(), lineage: [], stamp });
  }

  /** Gives all channels epochs that continue theirs: at once if this process is the owner, or when it becomes it. */
  renew(): void {
    this.#isRenewing = true;
    if (!this.isOwner) return;
    this.#head = this.#parts.port.write(() => {
      this.fence();
      return this.#writeRenewed(this.head);
    });
    this.#isRenewing = false;
  }

  /** Leaves the database to others. */
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

  /** Ends the ownership after it was lost. */
  lose(): void {
    this.#stopBeating();
    this.#head = undefined;
    if (this.lost !== undefined) this.#parts.onLost(this.lost);
  }

  #writeRenewed({ base, lineage }: Head): Head {
    const { epochs } = this.#parts;
    return this.#write({
      base: epochs.next(),
      lineage: continuing(lineage, base, 0),
      stamp: epochs.next(),
    });
  }

  #write(head: Head): Head {
    const sql = "UPDATE tocsin_log SET base = ?, lineage = ?, stamp = ?";
    this.#parts.port.rows(sql, stored(head.base), JSON.stringify(head.lineage), stored(head.stamp));
    return head;
  }

  /** `isWhole`: an older format has only the columns about the owner. */
  #read(isWhole = true): LogRow {
    const [row = {}] = this.#parts.port.rows("SELECT * FROM tocsin_log");
    const text = (column: string): string => (isWhole ? restored(row[column] as string) : "");
    return {
      owner: row.owner as string | null,
      since: Number(row.since),
      beat: Number(row.beat),
      lease: Number(row.lease),
      clean: row.clean !== 0,
      base: text("base"),
      lineage: isWhole ? (JSON.parse(row.lineage as string) as Position[]) : [],
      stamp: text("stamp"),
    };
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
    const { owner, since } = this.#read(false);
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
