import type { HeldRecord, Log, Member, Membership, Position } from "../../src/model/log.ts";
import type { Store } from "./gathering-log.ts";

/** A log that has everything. */
type Full = Required<Pick<Log, "append" | "read" | "watch" | "commit" | "join">> & AsyncDisposable;
/** A fault of a log with `commit` and `join`: the methods that replace those of the correct one. */
export type StoreFault = (log: Full, store: Store) => Partial<Log>;

export function withStoreFault(log: Log, store: Store, fault: StoreFault): Log {
  return { ...log, ...fault(log as Full, store) };
}

/** A log whose members are wrong. */
const joining =
  (change: (membership: Membership, store: Store) => Partial<Membership>): StoreFault =>
  (log, store) => ({
    async join(...args) {
      const membership = await log.join(...args);
      return { ...membership, ...change(membership, store) };
    },
  });

/** A log that tells its members something else. */
const telling =
  (change: (record: HeldRecord, store: Store) => HeldRecord | undefined): StoreFault =>
  (log, store) => ({
    join: ({ inherits, lost }, options) => {
      const member: Member = {
        inherits: (records) => inherits(records.flatMap((record) => change(record, store) ?? [])),
        lost,
      };
      return log.join(member, options);
    },
  });

/** Wakes with the append, and reads only what is committed. */
const wakesEarly: StoreFault = (log) => {
  const wakes = new Map<string, Set<() => void>>();
  return {
    append(channel, data, options) {
      const position = log.append(channel, data, options);
      for (const wake of wakes.get(channel) ?? []) wake();
      return position;
    },
    async watch(channel, wake) {
      const watch = await log.watch(channel, wake);
      wakes.set(channel, (wakes.get(channel) ?? new Set()).add(wake));
      return {
        [Symbol.asyncDispose]() {
          wakes.get(channel)?.delete(wake);
          return watch[Symbol.asyncDispose]();
        },
      };
    },
  };
};

/** Writes the first of what was gathered in a channel, and returns positions for the others, too. */
const dropsTheOthers: StoreFault = (log) => {
  const gathered = new Map<string, Position>();
  return {
    append(channel, data, options) {
      const last = gathered.get(channel);
      const position = last && { ...last, offset: last.offset + 1 };
      const made = position ?? (log.append(channel, data, options) as Position);
      gathered.set(channel, made);
      return made;
    },
    commit() {
      gathered.clear();
      return log.commit();
    },
  };
};

/** Writes what was gathered only if nothing is being written. */
const oneAtATime: StoreFault = (log) => {
  let writing: Promise<void> | undefined;
  return {
    commit() {
      writing ??= Promise.resolve(log.commit()).finally(() => {
        writing = undefined;
      });
      return writing;
    },
  };
};

/** Logs with `commit` and `join` that are each wrong in one way. The names describe the faults. */
export const wrongMembers: Readonly<Record<string, StoreFault>> = {
  "commits with every append": (log) => ({
    append(...call) {
      const position = log.append(...call);
      void Promise.resolve(log.commit()).catch(() => {});
      return position;
    },
  }),
  "commits with every read": (log) => ({
    async read(...call) {
      await log.commit();
      return log.read(...call);
    },
  }),
  "wakes before the commit": wakesEarly,
  "never wakes": (log) => ({ watch: (channel) => log.watch(channel, () => {}) }),
  "wakes one of the channels that a commit writes": (log) => {
    let isFree = true;
    return {
      commit() {
        isFree = true;
        return log.commit();
      },
      watch: (channel, wake) =>
        log.watch(channel, () => {
          if (isFree) wake();
          isFree = false;
        }),
    };
  },
  "returns a promise from append": (log) => ({ append: async (...call) => log.append(...call) }),
  "drops what a commit writes besides the first append of a channel": dropsTheOthers,
  "leaves out what is gathered during a commit": oneAtATime,
  "commits nothing": () => ({ commit() {} }),
  "writes what was gathered when it is disposed": (log) => ({
    async [Symbol.asyncDispose]() {
      await Promise.resolve(log.commit()).catch(() => {});
      await log[Symbol.asyncDispose]();
    },
  }),
  "loses a part of what was written when it is disposed": (log, { journal }) => ({
    [Symbol.asyncDispose]() {
      journal.splice(journal.length / 2);
      return log[Symbol.asyncDispose]();
    },
  }),
  "commits when it is disposed": (log) => ({ commit: () => Promise.resolve(log.commit()).catch(() => {}) }),

  "takes no notice of hold": (log) => ({
    append: (channel, data, { hold, ...options }) => log.append(channel, data, options),
  }),
  "holds before the commit": (log, { records }) => ({
    append(channel, data, options) {
      const position = log.append(channel, data, options) as Position;
      const record = options.hold;
      if (record !== undefined) records.set(record, { record, channel, position });
      return position;
    },
  }),
  "holds the record of an append that was made before": (log, { records }) => ({
    append(channel, data, options) {
      const position = log.append(channel, data, options) as Position;
      const record = options.hold;
      if (record !== undefined && options.once !== undefined)
        records.set(record, { record, channel, position });
      return position;
    },
  }),
  "holds the record of an append that it refuses": (log, { records }) => ({
    append(channel, data, options) {
      const record = options.hold;
      try {
        return log.append(channel, data, options);
      } catch (error) {
        const position = { offset: 1, epoch: "" };
        if (record !== undefined) records.set(record, { record, channel, position });
        throw error;
      }
    },
  }),
  "takes no notice of release": joining(() => ({ release() {} })),
  "releases before the commit": joining((_, { records }) => ({
    release: (record) => void records.delete(record),
  })),
  "refuses to release what is not held": joining((membership, { records }) => ({
    release(record) {
      if (!records.has(record)) throw new Error("Cannot release a record that is not held");
      return membership.release(record);
    },
  })),
  "inherits without a position": telling(({ record, channel }) => ({
    record,
    channel,
    position: { offset: 0, epoch: "" },
  })),
  "inherits the name of a channel in another form": telling(({ channel, ...held }) => ({
    ...held,
    channel: channel.normalize("NFD"),
  })),
  "inherits one record of a channel": telling((held, { records }) => {
    const last = [...records.values()].findLast(({ channel }) => channel === held.channel);
    return last?.record === held.record ? held : undefined;
  }),
  "does not hold on what was inherited": telling((held, { records }) => {
    records.delete(held.record);
    return held;
  }),
  "forgets records with their entries": (log, { records }) => ({
    async [Symbol.asyncDispose]() {
      for (const { record, channel, position } of records.values()) {
        const { gapless } = await log.read(channel, { after: { ...position, offset: position.offset - 1 } });
        if (!gapless) records.delete(record);
      }
      await log[Symbol.asyncDispose]();
    },
  }),
  "gives all members one name": joining(() => ({ id: "member" })),
  "tells a member that leaves that it is lost": (log) => ({
    async join(member, options) {
      const membership = await log.join(member, options);
      return {
        ...membership,
        [Symbol.asyncDispose]() {
          member.lost(new Error("left"));
          return membership[Symbol.asyncDispose]();
        },
      };
    },
  }),
  "takes no notice of the signal of a join": (log) => ({ join: (member) => log.join(member) }),
  "lets nobody join after one that gave up": (log, store) => ({
    async join(member, options) {
      try {
        return await log.join(member, options);
      } catch (error) {
        store.free = new Promise(() => {});
        throw error;
      }
    },
  }),
  "can be joined when it is disposed": (log) => ({
    async join(member, options) {
      try {
        return await log.join(member, options);
      } catch (error) {
        if (options?.signal?.aborted) throw error;
        return { id: "", release() {}, [Symbol.asyncDispose]: async () => {} };
      }
    },
  }),
};
