import { checkBound } from "../../base/check.ts";
import type { Clock } from "../../base/clock.ts";
import { Scope } from "../../base/scope.ts";
import { ClosedError, LogError } from "../../model/errors.ts";
import {
  type AppendOptions,
  entryCost,
  type Member,
  type Membership,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
  type WakeHint,
} from "../../model/log.ts";
import type { BoundsOf } from "../bounds.ts";
import type { ChannelRow } from "./channel-row.ts";
import { ChannelTable } from "./channel-table.ts";
import { Channels } from "./channels.ts";
import { Commit, type Tables } from "./commit.ts";
import type { SqlPort } from "./database.ts";
import type { EntryStore } from "./entry-store.ts";
import type { Epochs } from "./epochs.ts";
import { type FormatStep, migrate } from "./format.ts";
import { Gathering } from "./gathering.ts";
import { HeldTable } from "./held-table.ts";
import type { Ownership, OwnershipParts } from "./ownership.ts";
import { readSlice } from "./read-slice.ts";
import { RepeatTables } from "./repeats-table.ts";
import type { SqliteLog } from "./sqlite-log.ts";
import { Upkeep } from "./upkeep.ts";

/** What a log is created from, with all defaults filled in. */
export interface DatabaseLogParts {
  readonly port: SqlPort;
  /** The steps that make the tables, and the one that has the entries. */
  readonly steps: readonly FormatStep[];
  readonly entries: EntryStore;
  readonly boundsOf: BoundsOf;
  readonly totalBytes: number;
  readonly epochs: Epochs;
  readonly clock: Clock;
  /** How many channels stay in memory that are neither watched nor changed. */
  readonly maxIdle: number;
  /** Bytes that a channel takes in memory. */
  readonly channelCost: number;
  /** Creates what says who may write to the database. The waits and timers of the log are in `scope`. */
  own(parts: OwnershipParts, scope: Scope): Ownership;
}

/** A publication counts at most so many times what it takes in the database. The smallest takes 20 bytes. */
const mostOfSize = 10;
/** How often the database may fail while `join` waits, before it rejects: the caller should hear of it, and try again. */
const patience = 8;

/** Creates the log. Nothing is read or written until it is used. */
export function createDatabaseLog(parts: DatabaseLogParts): SqliteLog {
  return new DatabaseLog(parts);
}

class DatabaseLog implements SqliteLog {
  readonly #parts: DatabaseLogParts;
  readonly #scope: Scope;
  readonly #tables: Tables;
  readonly #gathering: Gathering;
  readonly #owner: Ownership;
  readonly #upkeep: Upkeep;
  /** Who holds records. */
  #member: Member | undefined;
  #isJoining = false;
  /** What the entries of all channels count. */
  #total: Pick<Commit, "cost" | "isCounted"> = { cost: 0, isCounted: true };
  #isOpen = false;
  #isClosed = false;

  constructor(parts: DatabaseLogParts) {
    this.#parts = parts;
    const { port, entries, boundsOf, clock, epochs, totalBytes, maxIdle, channelCost } = parts;
    // Only the clock's own timers and the waits of `join` are in the scope, and they report their errors themselves.
    this.#scope = new Scope(clock, () => {});
    const table = new ChannelTable(port, entries, boundsOf);
    const repeats = new RepeatTables(port);
    const channels = new Channels({ table, entries, boundsOf, maxIdle, channelCost });
    this.#tables = { channels, table, entries, repeats, held: new HeldTable(port) };
    this.#gathering = new Gathering({ entries, repeats, epochs, boundsOf, maxRow: port.maxRow });
    const onAcquired = (isUsed: boolean) => this.#acquired(isUsed);
    const onLost = (error: LogError) => this.#lost(error);
    this.#owner = parts.own({ port, epochs, onAcquired, onLost }, this.#scope);
    this.#upkeep = new Upkeep({ tables: this.#tables, owner: this.#owner, totalBytes });
  }

  get bytes(): number {
    return this.#gathering.bytes + this.#tables.channels.bytes;
  }

  keeps(name: string): Retention {
    const { channels } = this.#tables;
    const known = channels.known(name);
    const row = known?.draft?.row ?? known?.row;
    if (row !== undefined) return row.retention;
    // What an append has set in another process is in the database.
    try {
      this.#enter("read", name, undefined);
      return this.#row(name).retention;
    } catch {}
    return channels.retentionOf(name);
  }

  append(name: string, data: string, options: AppendOptions): Position {
    this.#enter("append to", name, options.signal);
    if (options.hold !== undefined && this.#member === undefined)
      throw new TypeError(`Cannot hold ${JSON.stringify(options.hold)}: call join() first, and await it`);
    this.#owner.demand();
    const now = this.#now;
    const { head } = this.#owner;
    const { channels } = this.#tables;
    const channel = channels.use(name);
    if (channel.draft === undefined) channels.read(channel, head, now);
    const position = this.#gathering.append(channel, data, options, { head, now });
    channels.place(channel);
    return position;
  }

  commit(): void {
    this.#check("commit", undefined, undefined);
    if (this.#owner.lost !== undefined) throw this.#owner.lost;
    if (this.#gathering.isEmpty) return;
    const { channels } = this.#tables;
    const commit = new Commit(this.#tables, this.#now, this.#total);
    this.#write(() => {
      this.#owner.fence();
      commit.write(this.#gathering);
      this.#upkeep.run(commit);
    });
    this.#total = { cost: commit.cost, isCounted: commit.isCounted };
    if (commit.head !== undefined) this.#owner.head = commit.head;
    commit.done();
    const appends = [...this.#gathering.appends];
    const changed = [...this.#gathering.channels];
    this.#gathering.clear();
    for (const channel of changed) channels.place(channel);
    for (const { channel, entry, epoch } of appends) {
      const { offset, data, time, tags } = entry;
      channel.wake({ offset, data, time, tags, epoch });
    }
  }

  read(name: string, options: ReadOptions): Slice {
    this.#enter("read", name, options.signal);
    checkRead(options);
    const { entries } = this.#tables;
    if (this.#owner.isSure) return readSlice(name, this.#row(name), options, entries);
    // Another process may write between two statements.
    return this.#parts.port.snapshot(() => readSlice(name, this.#row(name), options, entries));
  }

  /** Returns a channel as it is now. Only the owner may remember it: another process may write at any time. */
  #row(name: string): ChannelRow {
    const { channels } = this.#tables;
    const { head, isSure } = this.#owner;
    return isSure ? channels.read(channels.use(name), head, this.#now) : channels.look(name, head, this.#now);
  }

  watch(name: string, wake: (hint?: WakeHint) => void): AsyncDisposable {
    this.#enter("watch", name, undefined);
    return this.#tables.channels.watch(name, wake);
  }

  renew(): void {
    this.#enter("renew", undefined, undefined);
    if (this.#owner.lost !== undefined) throw this.#owner.lost;
    if (this.#owner.isOwner) this.commit();
    this.#attempt(() => this.#owner.renew());
    if (!this.#owner.isOwner) return;
    this.#tables.channels.reset();
    this.#tables.channels.wakeAll();
  }

  async join(member: Member, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Membership> {
    this.#check("join", undefined, signal);
    if (this.#isJoining || this.#member !== undefined)
      throw new TypeError("Cannot join: this log has a member. Dispose it first");
    this.#isJoining = true;
    const { retryAfter } = this.#owner;
    let failures = 0;
    const failed = (error: unknown): void => {
      const isFinal = !(error instanceof LogError) || error.lasting || retryAfter === undefined;
      if (isFinal || ++failures > patience) throw error;
    };
    try {
      while (!this.#acquire(failed)) await this.#scope.sleep("join a log", retryAfter ?? 0, signal);
      const records = this.#tables.held.all();
      this.#member = member;
      if (records.length > 0) member.inherits(records);
      return this.#membership(member);
    } finally {
      this.#isJoining = false;
    }
  }

  /** Tries to become the owner. Two processes that try at once may disturb each other, so an error is no end yet. */
  #acquire(failed: (error: unknown) => void): boolean {
    try {
      this.#enter("join", undefined, undefined);
      return this.#owner.acquire();
    } catch (error) {
      failed(error);
      return false;
    }
  }

  #membership(member: Member): Membership {
    const leave = async (): Promise<void> => {
      if (this.#member !== member) return;
      this.#member = undefined;
      this.#leave();
    };
    return {
      id: this.#owner.id,
      release: (record) => {
        if (this.#member === member) this.#gathering.release(record);
      },
      [Symbol.asyncDispose]: leave,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#member = undefined;
    this.#leave();
    this.#scope.end(new ClosedError("Cannot go on: the log is closed"));
    this.#tables.channels.clear();
    this.#parts.port.release();
  }

  /** Drops what is gathered, and leaves the database to others. */
  #leave(): void {
    this.#gathering.clear();
    this.#tables.channels.reset();
    this.#owner.release();
  }

  get #now(): number {
    return this.#parts.clock.time();
  }

  #check(action: string, name: string | undefined, signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw signal.reason;
    const what = name === undefined ? action : `${action} ${JSON.stringify(name)}`;
    if (this.#isClosed) throw new ClosedError(`Cannot ${what}: the log is closed`);
    if (this.#parts.port.broken !== undefined) throw this.#parts.port.broken;
  }

  /** The first call opens the database. If that fails, the next one tries again. */
  #enter(action: string, name: string | undefined, signal: AbortSignal | undefined): void {
    this.#check(action, name, signal);
    if (this.#isOpen) return;
    const { port, steps, epochs } = this.#parts;
    port.open();
    const demandFree = (): void => this.#owner.demandFree();
    migrate({ port, steps, fresh: () => epochs.next(), demandFree });
    this.#isOpen = true;
  }

  #write(work: () => void): void {
    this.#attempt(() => this.#parts.port.write(work));
  }

  /** After an error that lasts, what is gathered can never be committed. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (this.#owner.lost !== undefined) this.#owner.lose();
      else if (error instanceof LogError && error.lasting) this.#drop();
      throw error;
    }
  }

  #drop(): void {
    this.#gathering.clear();
    this.#tables.channels.reset();
  }

  #acquired(isUsed: boolean): void {
    this.#tables.table.begin();
    const { size } = this.#parts.port;
    const isCounted = size === undefined;
    const cost = isCounted ? this.#tables.entries.cost(entryCost) : size * mostOfSize;
    this.#total = { cost, isCounted };
    this.#tables.channels.reset();
    if (isUsed) this.#tables.channels.wakeAll();
  }

  #lost(error: LogError): void {
    const member = this.#member;
    this.#member = undefined;
    this.#drop();
    try {
      member?.lost(error);
    } catch {}
  }
}

function checkRead({ limit, last }: ReadOptions): void {
  if (limit !== undefined) checkBound("limit", limit);
  if (last === undefined) return;
  checkBound("last", last);
  if (limit !== undefined) throw new TypeError("Cannot read with limit and last: give one of them");
}
