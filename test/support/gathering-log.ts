import { systemClock } from "../../src/base/clock.ts";
import { ClosedError } from "../../src/model/errors.ts";
import type {
  AppendOptions,
  HeldRecord,
  Log,
  Member,
  Membership,
  Position,
  Slice,
} from "../../src/model/log.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import type { FakeClock } from "../../src/testing.ts";

/** An append as it is written. */
export type Written = readonly [channel: string, data: string, options: AppendOptions];

/** What outlives the logs that are made of it. */
export interface Store {
  /** All appends that were committed. */
  readonly journal: Written[];
  /** The records that are held, by their text. */
  readonly records: Map<string, HeldRecord>;
  /** Settles once nobody is a member. */
  free: Promise<void>;
}

export function createStore(): Store {
  return { journal: [], records: new Map(), free: Promise.resolve() };
}

/** What one commit writes. */
interface Gathered {
  readonly appends: Written[];
  readonly held: HeldRecord[];
  readonly released: string[];
}

const nothing = (): Gathered => ({ appends: [], held: [], released: [] });

/**
 * Returns a log that gathers what is appended and released until a commit writes it into a store. One process at a time
 * may be a member.
 *
 * Appends go into a memory log at once, which knows their positions. Until they are committed, a channel is read as it
 * was before.
 */
export function gatheringLog(store: Store, clock: FakeClock): Log {
  const memory = memoryLog({ clock });
  for (const written of store.journal) void memory.append(...written);
  const before = new Map<string, Slice>();
  const watches = new Map<string, Set<() => void>>();
  let gathered = nothing();
  let committing = Promise.resolve();
  let isClosed = false;

  const check = (action: string): void => {
    if (isClosed) throw new ClosedError(`Cannot ${action}: the log is closed`);
  };
  const read = (channel: string) => memory.read(channel, {}) as Slice;

  /** Writes all of it or nothing. What is appended meanwhile stays hidden. */
  async function write(): Promise<void> {
    check("commit");
    const { appends, held, released } = gathered;
    gathered = nothing();
    const names = new Set(appends.map(([channel]) => channel));
    const slices = Array.from(names, (name) => [name, read(name)] as const);
    await new Promise<void>((resolve) => systemClock.turn(resolve));
    check("commit");
    store.journal.push(...appends);
    for (const each of held) store.records.set(each.record, each);
    for (const record of released) store.records.delete(record);
    const isHidden = new Set(gathered.appends.map(([channel]) => channel));
    for (const [name, slice] of slices) {
      if (isHidden.has(name)) before.set(name, slice);
      else before.delete(name);
    }
    for (const name of names) for (const wake of [...(watches.get(name) ?? [])]) call(wake);
  }

  return {
    append(channel, data, options) {
      const was = isClosed ? undefined : read(channel);
      const position = memory.append(channel, data, options) as Position;
      if (was === undefined || (position.epoch === was.epoch && position.offset <= was.top)) return position;
      if (!before.has(channel)) before.set(channel, was);
      const { signal, hold, ...rest } = options;
      gathered.appends.push([channel, data, rest]);
      if (hold !== undefined) gathered.held.push({ record: hold, channel, position });
      return position;
    },
    read(channel, options) {
      const slice = memory.read(channel, options) as Slice;
      const was = before.get(channel);
      return was === undefined ? slice : part(was, options);
    },
    async watch(channel, wake) {
      const watch = await memory.watch(channel, () => {});
      const wakes = watches.get(channel) ?? new Set();
      // The same function may watch twice.
      const own = (): void => wake();
      watches.set(channel, wakes.add(own));
      return {
        [Symbol.asyncDispose]() {
          wakes.delete(own);
          return watch[Symbol.asyncDispose]();
        },
      };
    },
    keeps: (channel) => memory.keeps?.(channel) ?? {},
    commit() {
      const writing = committing.then(write);
      committing = writing.catch(() => {});
      return writing;
    },
    async join(member, { signal } = {}) {
      signal?.throwIfAborted();
      check("join");
      return enter(store, member, signal, (record) => {
        gathered.released.push(record);
      });
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      watches.clear();
      await memory[Symbol.asyncDispose]();
    },
  };
}

/** Waits until nobody else is a member, and inherits what is held. */
async function enter(
  store: Store,
  member: Member,
  signal: AbortSignal | undefined,
  release: (record: string) => void,
): Promise<Membership> {
  const { free } = store;
  const { promise: gone, resolve: leave } = withResolvers();
  store.free = free.then(() => gone);
  const stopped = withResolvers();
  signal?.addEventListener("abort", stopped.resolve, { once: true });
  await Promise.race([free, stopped.promise]);
  signal?.removeEventListener("abort", stopped.resolve);
  if (signal?.aborted) {
    leave();
    throw signal.reason;
  }
  if (store.records.size > 0) member.inherits([...store.records.values()]);
  return { id: crypto.randomUUID(), release, [Symbol.asyncDispose]: async () => leave() };
}

function withResolvers(): { promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Returns what a read of a slice returns. */
function part(slice: Slice, { after, limit = Infinity, last = Infinity }: Parameters<Log["read"]>[1]): Slice {
  const { epoch, top, first, entries } = slice;
  const isOfEpoch = after === undefined || after.epoch === "" || after.epoch === epoch;
  const from = after?.offset ?? first - 1;
  const gapless = isOfEpoch && from >= first - 1 && from <= top;
  const rest = gapless ? entries.filter(({ offset }) => offset > from && offset > top - last) : [];
  return { ...slice, entries: rest.slice(0, limit), gapless };
}

function call(wake: () => void): void {
  try {
    wake();
  } catch {}
}
