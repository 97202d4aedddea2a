import { systemClock } from "../../base/clock.ts";
import { ignorable, Scope } from "../../base/scope.ts";
import { trim } from "../../base/trim.ts";
import { ClosedError, LogError } from "../../model/errors.ts";
import type {
  AppendAllOptions,
  AppendEntry,
  AppendOptions,
  Log,
  Member,
  Membership,
  Position,
  ReadOptions,
  Retention,
  Slice,
  WakeHint,
} from "../../model/log.ts";
import type { BoundsOf } from "../bounds.ts";
import type { Connector } from "./connection-port.ts";
import { faultOf } from "./faults.ts";
import type { Keys } from "./keys.ts";
import { Link } from "./link.ts";
import { Members } from "./members.ts";
import {
  type AppendParts,
  encodeAppend,
  encodeHold,
  encodeRelease,
  type Operation,
  readAppended,
} from "./operation.ts";
import { hashed, type Scripts } from "./scripts.ts";
import { readArgs, readSlice } from "./slice.ts";
import { Subscriptions } from "./subscriptions.ts";
import { Writer } from "./writer.ts";

/** What a log is created from. */
export interface RedisLogParts {
  readonly connector: Connector;
  readonly keys: Keys;
  readonly boundsOf: BoundsOf;
  readonly lease: number;
}

/** Milliseconds that leaving may take when the log is disposed. Others notice without it when the lease is over. */
const leaving = 1_000;
/** How many channels with a retention of their own are known to `keeps`. */
const maxKept = 10_000;

/** A log over Redis. */
export class RedisLog implements Log {
  readonly #parts: RedisLogParts;
  readonly #scope: Scope;
  readonly #link: Link;
  readonly #members: Members;
  readonly #writer: Writer;
  readonly #subscriptions: Subscriptions;
  #hashed: Promise<Scripts> | undefined;
  readonly #kept = new Map<string, Retention>();
  /** The channels of the records that this process holds. */
  readonly #held = new Map<string, string>();
  #ownSeed: string | undefined;
  #seeds = 0;
  #isJoining = false;
  #isWarned = false;
  #leaving: Promise<void> | undefined;
  #disposing: Promise<void> | undefined;

  constructor(parts: RedisLogParts) {
    this.#parts = parts;
    const { connector, keys, lease } = parts;
    // All waits are the caller's. What is owned reports its errors itself.
    const scope = new Scope(systemClock, () => {});
    this.#scope = scope;
    const { now } = systemClock;
    this.#link = new Link({ connector, scope, message() {}, doubted() {}, ended() {} }, now);
    this.#subscriptions = new Subscriptions({
      ...{ connector, scope, now },
      probe: (group) => keys.probe(group, this.#seed),
      publish: (name, text) => this.#link.send(name, ["SPUBLISH", name, text]),
      touch: (names) => this.#touch(names),
      groupOf: (name) => (connector.isCluster ? Number(/\{(\d+)\}/.exec(name)?.[1]) : 0),
    });
    this.#members = new Members({
      ...{ link: this.#link, scope, keys, lease, scripts: () => this.#scripts() },
      renewed: () => this.#subscriptions.wakeAll(),
      inherited: (records) => {
        for (const { record, channel } of records) this.#held.set(record, channel);
      },
    });
    const members = this.#members;
    this.#writer = new Writer({
      ...{ link: this.#link, scope, isCluster: connector.isCluster, fence: members },
      script: async () => (await this.#scripts()).write,
      seed: () => this.#nextSeed(),
      refresh: (generation) => members.refresh(generation),
    });
  }

  append(channel: string, data: string, options: AppendOptions): Promise<Position> {
    try {
      return this.#append(this.#partsOf(channel, data, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async appendAll(
    channel: string,
    [first, ...more]: readonly AppendEntry[],
    options: AppendAllOptions,
  ): Promise<Position> {
    if (first === undefined)
      throw new RangeError(`Cannot append to ${JSON.stringify(channel)}: there are no entries`);
    const { data, time, tags } = first;
    return this.#append({ ...this.#partsOf(channel, data, { ...options, time, tags }), more });
  }

  /** Checks an append, and returns what it is made from. */
  #partsOf(channel: string, data: string, options: AppendOptions): AppendParts {
    const { retention, once, key, hold, signal } = options;
    this.#check(() => `append to ${JSON.stringify(channel)}`, signal);
    checkOnce(once);
    if (key !== undefined) checkTtl(key.ttl);
    if (hold !== undefined) this.#demandMember(hold);
    const bounds = this.#parts.boundsOf(channel);
    const full = retention === undefined ? bounds.of(channel) : bounds.with(channel, retention);
    const { keys } = this.#parts;
    return { keys, channel, data, options, retention: full, member: this.#members.id, more: [] };
  }

  async #append(parts: AppendParts): Promise<Position> {
    const { channel, data, options, retention, more } = parts;
    const { hold, signal } = options;
    if (hold !== undefined) this.#held.set(hold, channel);
    const count = 1 + more.length;
    const size = more.reduce((sum, entry) => sum + 2 * entry.data.length, 2 * data.length);
    try {
      const { position, isContinued } = await this.#writer.write(
        { channel, member: parts.member, count, size, encode: (call) => encodeAppend(call, parts) },
        (answer) => readAppended(answer, parts),
        signal,
      );
      if (options.retention !== undefined) this.#keep(channel, retention);
      if (isContinued) this.#continued();
      return position;
    } catch (error) {
      if (hold !== undefined) this.#held.delete(hold);
      throw error;
    }
  }

  async read(channel: string, options: ReadOptions): Promise<Slice> {
    const what = `read ${JSON.stringify(channel)}`;
    const { signal } = options;
    this.#check(() => what, signal);
    const args = readArgs(this.#nextSeed(), this.#parts.boundsOf(channel).of(channel), options);
    const { read } = await this.#scripts();
    const reading = this.#link.run(read, [this.#parts.keys.channel(channel)], args);
    let answer: unknown;
    try {
      answer = await this.#scope.waitFor(what, signal, reading);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error instanceof ClosedError ? error : faultOf(error, what);
    }
    const { slice, server, isContinued } = readSlice(channel, answer);
    if (server === "?") this.#warn();
    if (isContinued) this.#continued();
    return slice;
  }

  async watch(channel: string, wake: (hint?: WakeHint) => void): Promise<AsyncDisposable> {
    this.#check(() => `watch ${JSON.stringify(channel)}`, undefined);
    return await this.#subscriptions.watch(this.#parts.keys.channel(channel), wake);
  }

  keeps(channel: string): Retention {
    return this.#kept.get(channel) ?? this.#parts.boundsOf(channel).of(channel);
  }

  #keep(channel: string, retention: Retention): void {
    this.#kept.delete(channel);
    this.#kept.set(channel, retention);
    trim(this.#kept, maxKept);
  }

  async join(member: Member, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<Membership> {
    this.#check(() => "join the log", signal);
    if (this.#isJoining || this.#members.id !== undefined)
      throw new TypeError("Cannot join: this log has a member. Dispose it first");
    this.#isJoining = true;
    // What was held under another id is held by others.
    this.#held.clear();
    try {
      return this.#membership(await this.#members.join(member, signal));
    } finally {
      this.#isJoining = false;
    }
  }

  #membership(id: string): Membership {
    const { keys } = this.#parts;
    const isMember = (): boolean => this.#members.id === id;
    return {
      id,
      release: async (record, { signal } = {}) => {
        const channel = this.#held.get(record);
        if (channel === undefined || !isMember()) return;
        const size = record.length;
        const encode: Operation["encode"] = (call) => encodeRelease(call, keys, channel, record);
        await this.#writer.write({ channel, member: id, size, encode }, () => {}, signal);
        this.#held.delete(record);
        this.#members.released(record);
      },
      hold: async (held) => {
        if (!isMember()) return;
        const { record, channel } = held;
        this.#held.set(record, channel);
        const encode: Operation["encode"] = (call) => encodeHold(call, keys, held);
        await this.#writer.write({ channel, member: id, size: record.length, encode }, () => {});
      },
      nodes: () => this.#members.nodes(id),
      [Symbol.asyncDispose]: async () => {
        if (isMember()) this.#leaving = this.#leave(id);
        await this.#leaving;
      },
    };
  }

  /** Leaves, behind everything that was asked for before. Redis has to answer in time. */
  async #leave(id: string): Promise<void> {
    const left = ignorable(this.#writer.written().then(() => this.#members.leave(id)));
    await ignorable(
      this.#scope.wait<void>("leave the log", undefined, ({ resolve }) => {
        const settled = (): void => resolve();
        left.then(settled, settled);
        return this.#scope.timer("leave the log", leaving, settled);
      }),
    );
    // It could not be told in time.
    if (this.#members.id === id) this.#members.end();
    this.#held.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#dispose();
    return this.#disposing;
  }

  async #dispose(): Promise<void> {
    const { id } = this.#members;
    if (id !== undefined) this.#leaving = this.#leave(id);
    await this.#leaving;
    this.#scope.end(new ClosedError("Cannot go on: the log is closed"));
    this.#subscriptions.close();
    this.#link.close();
  }

  #check(what: () => string, signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw signal.reason;
    if (this.#disposing !== undefined) throw new ClosedError(`Cannot ${what()}: the log is closed`);
  }

  #demandMember(record: string): void {
    if (this.#members.id !== undefined) return;
    const what = `Cannot hold ${JSON.stringify(record)}`;
    if (this.#members.isLost)
      throw new LogError(`${what}: the other processes have taken this one for gone. It has to join again`);
    throw new TypeError(`${what}: call join() first, and await it`);
  }

  /** Random values and hashes are made when they are first needed. */
  get #seed(): string {
    this.#ownSeed ??= crypto.randomUUID().replaceAll("-", "").slice(-20);
    return this.#ownSeed;
  }

  #scripts(): Promise<Scripts> {
    this.#hashed ??= hashed();
    return this.#hashed;
  }

  #nextSeed(): string {
    return `${this.#seed}${(this.#seeds++).toString(36)}.`;
  }

  /** A channel goes on in another epoch: its server was lost or set back, and others may have lost something, too. */
  #continued(): void {
    if (this.#parts.connector.isCluster) this.#members.renew();
  }

  #touch(names: readonly string[]): void {
    for (const name of names) {
      const touching = this.#link.send(name, ["PEXPIRE", name, "90000000", "GT"]);
      this.#scope.own("task", "a touch of Redis", touching);
    }
  }

  #warn(): void {
    if (this.#isWarned) return;
    this.#isWarned = true;
    console.warn(
      "tocsin: the user of Redis may not call INFO. So it goes unnoticed when Redis has lost its last writes",
    );
  }
}

function checkOnce(once: AppendOptions["once"]): void {
  if (once === undefined || (Number.isInteger(once.n) && once.n >= 1)) return;
  throw new RangeError(`Cannot use once.n "${once.n}": it is not a whole number from 1 up`);
}

function checkTtl(ttl: number): void {
  if (!(ttl >= 0)) throw new RangeError(`Cannot use key.ttl "${ttl}": it is not a number from 0 up`);
}
