import { byteLength, tagBytes } from "../../src/base/bytes.ts";
import type { Clock } from "../../src/base/clock.ts";
import { ClosedError, ExistsError, LogError, SealedError } from "../../src/model/errors.ts";
import {
  type AppendOptions,
  type Entry,
  entryCost,
  type HeldRecord,
  type Log,
  type Member,
  type Membership,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
} from "../../src/model/log.ts";

/** A channel as the store has it. It is never changed: a commit puts another in its place. */
interface Kept {
  readonly epoch: string;
  readonly top: number;
  readonly entries: readonly (Entry & { readonly arrived: number })[];
  readonly retention: Retention;
  /** The retention of the store, for what an append leaves out. */
  readonly usual: Retention;
  readonly state: string | undefined;
  /** When it was sealed. */
  readonly sealedAt: number | undefined;
  readonly keys: ReadonlyMap<string, { readonly offset: number; readonly until: number }>;
  readonly writers: ReadonlyMap<string, { readonly n: number; readonly offset: number }>;
}

/** What outlives the logs that are made of it, as a file does. */
export interface DurableStore {
  readonly channels: Map<string, Kept>;
  readonly records: Map<string, HeldRecord>;
  /** Begins the epochs of this store. */
  readonly id: string;
  epochs: number;
  /** The log that works with the store now. */
  owner: Log | undefined;
  /** Called when the owner has left. */
  readonly waiting: Set<() => void>;
  /** What every commit throws while it is set. */
  fails: Error | undefined;
  /** Number of commits. */
  commits: number;
}

export function durableStore(): DurableStore {
  return {
    channels: new Map(),
    records: new Map(),
    id: crypto.randomUUID(),
    epochs: 0,
    owner: undefined,
    waiting: new Set(),
    fails: undefined,
    commits: 0,
  };
}

/** Loses what a log has not committed, and frees its store, as the end of its process does. */
export function crash(store: DurableStore): void {
  store.owner = undefined;
  for (const wake of [...store.waiting]) wake();
}

const usual: Retention = { size: 1_000, bytes: 1_048_576, ttl: 300_000, slack: 8_388_608 };
/** Milliseconds for which an entry over the bounds is kept while there is slack. */
const youth = 10_000;

/**
 * Returns a log on a store that outlives it. It gathers what is appended and released, until a commit writes all of it
 * or nothing. One log at a time works with the store.
 */
export function durableLog(store: DurableStore, clock: Clock, defaults: Retention = usual): Log {
  const pending = new Map<string, Kept>();
  const held: HeldRecord[] = [];
  const released: string[] = [];
  const watches = new Map<string, Set<() => void>>();
  let isClosed = false;

  const check = (action: string): void => {
    if (isClosed) throw new ClosedError(`Cannot ${action}: the log is closed`);
  };
  const own = (): void => {
    store.owner ??= log;
    if (store.owner !== log) throw new LogError("Cannot append: another log works with this store");
  };
  const committed = (channel: string): Kept =>
    trimmed(store.channels.get(channel) ?? create(`${store.id} ${channel}`, defaults), clock.time());

  const log: Log = {
    append(channel, data, options) {
      options.signal?.throwIfAborted();
      check("append");
      own();
      const now = clock.time();
      const before = trimmed(pending.get(channel) ?? committed(channel), now);
      const answer = repeatOf(before, options, now);
      if (answer !== undefined) {
        if ("next" in answer) pending.set(channel, answer.next);
        return { offset: answer.offset, epoch: before.epoch };
      }
      const fresh = (): Kept => create(`${store.id} ${channel} ${++store.epochs}`, defaults);
      const begun = place(channel, before, options, fresh);
      const next = trimmed(appended(begun, data, options, now), now);
      pending.set(channel, next);
      const position = { offset: next.top, epoch: next.epoch };
      if (options.hold !== undefined) held.push({ record: options.hold, channel, position });
      return position;
    },
    read(channel, options) {
      options.signal?.throwIfAborted();
      check("read");
      return sliceOf(committed(channel), options);
    },
    watch(channel, wake) {
      check("watch");
      const wakes = watches.get(channel) ?? new Set();
      const call = (): void => wake();
      watches.set(channel, wakes.add(call));
      return { [Symbol.asyncDispose]: async () => void wakes.delete(call) };
    },
    keeps: (channel) => (pending.get(channel) ?? committed(channel)).retention,
    commit() {
      check("commit");
      if (pending.size === 0 && released.length === 0) return;
      own();
      if (store.fails !== undefined) throw store.fails;
      store.commits++;
      const names = [...pending.keys()];
      for (const [name, kept] of pending) store.channels.set(name, kept);
      for (const each of held) store.records.set(each.record, each);
      for (const record of released) store.records.delete(record);
      pending.clear();
      held.length = released.length = 0;
      for (const name of names) for (const wake of [...(watches.get(name) ?? [])]) call(wake);
    },
    join: (member, { signal } = {}) => join(member, signal),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      watches.clear();
      if (store.owner === log) crash(store);
    },
  };

  async function join(member: Member, signal: AbortSignal | undefined): Promise<Membership> {
    signal?.throwIfAborted();
    check("join");
    while (store.owner !== undefined && store.owner !== log) await left(store, signal);
    store.owner = log;
    if (store.records.size > 0) member.inherits([...store.records.values()]);
    return {
      id: crypto.randomUUID(),
      release: (record) => void released.push(record),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  return log;
}

/** Settles when the owner has left. */
function left(store: DurableStore, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      store.waiting.delete(end);
      signal?.removeEventListener("abort", end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    store.waiting.add(end);
    signal?.addEventListener("abort", end);
  });
}

function create(epoch: string, retention: Retention): Kept {
  const nothing = { entries: [], state: undefined, sealedAt: undefined, keys: new Map(), writers: new Map() };
  return { epoch, top: 0, retention, usual: retention, ...nothing };
}

/** Returns the answer to an append that was made before, and the channel that remembers its writer. */
function repeatOf(
  kept: Kept,
  { once, key }: AppendOptions,
  now: number,
): { offset: number } | { offset: number; next: Kept } | undefined {
  if (once !== undefined) {
    if (!Number.isInteger(once.n) || once.n < 1) throw new RangeError("Cannot use once.n");
    const last = kept.writers.get(once.by);
    if (last?.n === once.n) return { offset: last.offset };
    if (last !== undefined && once.n !== last.n + 1) throw new Error(`Cannot append: the last was ${last.n}`);
  }
  const used = key && kept.keys.get(key.text);
  if (used === undefined || used.until <= now) return undefined;
  if (once === undefined) return { offset: used.offset };
  const writers = new Map(kept.writers).set(once.by, { n: once.n, offset: used.offset });
  return { offset: used.offset, next: { ...kept, writers } };
}

/** Returns the channel in which the append is made: another one in the first place. */
function place(channel: string, kept: Kept, { place }: AppendOptions, fresh: () => Kept): Kept {
  if (place !== "first") {
    if (kept.sealedAt !== undefined) throw new SealedError(channel);
    return kept;
  }
  if (kept.top > 0 && !(kept.sealedAt !== undefined && kept.entries.length === 0))
    throw new ExistsError(channel);
  return kept.top === 0 ? create(kept.epoch, kept.usual) : fresh();
}

function appended(kept: Kept, data: string, options: AppendOptions, now: number): Kept {
  const { time, tags, retention, once, key, place, state = kept.state } = options;
  if (state !== undefined && state.length > 4_096)
    throw new RangeError("Cannot keep this state: it is too long");
  const offset = kept.top + 1;
  const entry = { offset, data, time, tags: tags && { ...tags }, arrived: now };
  return {
    ...kept,
    top: offset,
    entries: [...kept.entries, entry],
    retention: retention === undefined ? kept.retention : { ...kept.usual, ...retention },
    state,
    sealedAt: place === "last" ? now : undefined,
    keys: key ? new Map(kept.keys).set(key.text, { offset, until: now + key.ttl }) : kept.keys,
    writers: once ? new Map(kept.writers).set(once.by, { n: once.n, offset }) : kept.writers,
  };
}

/** Returns the channel without the entries that are over its bounds. */
function trimmed(kept: Kept, now: number): Kept {
  const { size, bytes, ttl, slack } = kept.retention;
  let { entries } = kept;
  let total = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  for (let [oldest] = entries; oldest !== undefined; [oldest] = entries) {
    const age = now - oldest.arrived;
    const isOver = entries.length > size || total > bytes;
    const isSpared = slack > 0 && age < youth && beyond(entries, total, kept.retention) <= slack;
    if (now - (kept.sealedAt ?? oldest.arrived) < ttl && (!isOver || isSpared)) break;
    total -= bytesOf(oldest);
    entries = entries.slice(1);
  }
  return entries === kept.entries ? kept : { ...kept, entries };
}

/** Returns what the entries over `size` and `bytes` take. */
function beyond(entries: Kept["entries"], all: number, { size, bytes }: Retention): number {
  let total = all;
  let sum = 0;
  for (let index = 0; entries.length - index > size || total > bytes; index++) {
    const one = bytesOf(entries[index] as Entry);
    total -= one;
    sum += one + entryCost;
  }
  return sum;
}

function bytesOf({ data, tags }: Entry): number {
  return byteLength(data) + tagBytes(tags);
}

function sliceOf(kept: Kept, { after, limit, last }: ReadOptions): Slice {
  if (limit !== undefined && last !== undefined) throw new RangeError("Cannot use both limit and last");
  const { epoch, top, entries, state, sealedAt } = kept;
  const first = entries[0]?.offset ?? top + 1;
  const gapless = after === undefined || isThere(after, { epoch, top, first });
  const rest = gapless ? entries.filter(({ offset }) => offset > (after?.offset ?? 0)) : [];
  const part = last === undefined ? rest.slice(0, limit) : rest.slice(Math.max(0, rest.length - last));
  const slice = { epoch, top, first, entries: part.map(({ arrived, ...entry }) => entry), gapless };
  return { ...slice, ...(state !== undefined && { state }), ...(sealedAt !== undefined && { sealed: true }) };
}

function isThere(after: Position, { epoch, top, first }: Pick<Slice, "epoch" | "top" | "first">): boolean {
  const { offset } = after;
  if (after.epoch !== "" && after.epoch !== epoch) return false;
  return Number.isInteger(offset) && offset + 1 >= first && offset <= top;
}

function call(wake: () => void): void {
  try {
    wake();
  } catch {}
}
