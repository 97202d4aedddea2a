import { ExistsError, LogError } from "../../src/model/errors.ts";
import type { HeldRecord, Log, Member, Membership, WakeHint } from "../../src/model/log.ts";
import type { NodeLog, SharedLog } from "../../src/testing.ts";

/** A store, and those who have joined. Their memberships are without a fault. */
export interface NodeWorld {
  readonly shared: SharedLog;
  readonly members: Member[];
  readonly memberships: Required<Membership>[];
}

/** A fault of a log with which several members work: the methods that replace those of the correct one. */
export type NodeFault = (log: NodeLog, world: NodeWorld) => Partial<NodeLog>;

export function withNodeFault(world: NodeWorld, fault: NodeFault): NodeLog {
  const log = world.shared.open();
  const correct: NodeLog = {
    append: (...call) => log.append(...call),
    appendAll: (...call) => log.appendAll(...call),
    read: (...call) => log.read(...call),
    watch: (...call) => log.watch(...call),
    keeps: (channel) => log.keeps(channel),
    async join(...call) {
      const membership = await log.join(...call);
      world.memberships.push(membership as Required<Membership>);
      return membership;
    },
    kill: () => log.kill(),
    cut: (options) => log.cut(options),
    heal: () => log.heal(),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
  const faulty: NodeLog = { ...correct, ...fault(correct, world) };
  return {
    ...faulty,
    join(member, options) {
      world.members.push(member);
      return faulty.join(member, options);
    },
  };
}

type Change<T> = (membership: Required<Membership>, world: NodeWorld, id: string) => Partial<T>;

/** A log whose memberships are wrong. */
const joining =
  (change: Change<Membership>): NodeFault =>
  (log, world) => ({
    async join(...args) {
      const membership = (await log.join(...args)) as Required<Membership>;
      return { ...membership, ...change(membership, world, membership.id) };
    },
  });

/** A log that tells its members something else than it should. `joined` says whether the member has joined by then. */
const telling =
  (inherits: (records: readonly HeldRecord[], told: Told, world: NodeWorld) => void): NodeFault =>
  (log, world) => ({
    async join(member, options) {
      let membership: Membership | undefined;
      const wrong: Member = {
        lost: (error) => member.lost(error),
        renewed: () => member.renewed?.(),
        inherits: (records) => inherits(records, { member, membership }, world),
      };
      membership = await log.join(wrong, options);
      return membership as Membership;
    },
  });

interface Told {
  readonly member: Member;
  readonly membership: Membership | undefined;
}

/** A log that knows only what was done with itself of something. `rename` adds to it what is its own. */
const apart =
  (rename: (call: Parameters<Log["append"]>, own: string) => Parameters<Log["append"]>): NodeFault =>
  (log) => {
    const own = crypto.randomUUID();
    return { append: (...call) => log.append(...rename(call, own)) };
  };

const wakesOwn: NodeFault = (log) => {
  const wakes = new Map<string, Set<() => void>>();
  return {
    async append(channel, ...rest) {
      const position = await log.append(channel, ...rest);
      for (const wake of wakes.get(channel) ?? []) wake();
      return position;
    },
    async watch(channel, wake) {
      const watch = await log.watch(channel, () => {});
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

/** Begins a channel for each node that wants to begin it. */
const beginsForEach: NodeFault = (log) => {
  const begun = new Set<string>();
  return {
    async append(channel, data, options) {
      try {
        return await log.append(channel, data, options);
      } catch (error) {
        if (!(error instanceof ExistsError) || begun.has(channel)) throw error;
        return log.append(channel, data, { ...options, place: undefined });
      } finally {
        begun.add(channel);
      }
    },
  };
};

/** Logs that are each wrong in one way when several members work with them. The names describe the faults. */
export const wrongNodes: Readonly<Record<string, NodeFault>> = {
  "says that each member is alone": joining((_membership, _world, id) => ({ nodes: () => [id] })),
  "says that members are there which have left": joining((_membership, { memberships }) => ({
    nodes: () => memberships.map(({ id }) => id),
  })),
  "gives everybody what one member has left": telling((records, _told, { members }) => {
    for (const each of members) each.inherits(records);
  }),
  "divides what a member has left": telling((records, { member }, { members }) => {
    const half = Math.ceil(records.length / 2);
    const other = members.findLast((each) => each !== member);
    member.inherits(records.slice(0, half));
    other?.inherits(records.slice(half));
  }),
  "gives what was left to nobody who is there": telling((records, { member, membership }) => {
    if (membership === undefined) member.inherits(records);
  }),
  "does not hold on what was inherited by somebody who is there": telling(
    (records, { member, membership }) => {
      for (const { record } of records) void membership?.release(record);
      member.inherits(records);
    },
  ),
  "gives a new member what others hold": (log, { shared }) => ({
    async join(member, options) {
      const membership = (await log.join(member, options)) as Membership;
      const { records } = shared.inspect();
      if (records.length > 0) member.inherits(records.map(({ held }) => held));
      return membership;
    },
  }),
  "takes no notice of a record that is held again": joining(() => ({ hold() {} })),
  "holds a record again without its position": joining((membership) => ({
    hold: (held) => membership.hold({ ...held, position: { offset: 0, epoch: "" } }),
  })),
  "holds a record again in the channel that it held last": joining((membership) => {
    let last: string | undefined;
    return {
      hold(held) {
        last ??= held.channel;
        return membership.hold({ ...held, channel: last });
      },
    };
  }),
  "changes the position of a record that is held again": joining((membership) => ({
    async hold(held) {
      await membership.release(held.record);
      await membership.hold(held);
    },
  })),
  "takes a record from the member that holds it": joining((membership, { memberships }) => ({
    async hold(held) {
      for (const other of memberships) if (other !== membership) await other.release(held.record);
      await membership.hold(held);
    },
  })),
  "releases what another member holds": joining((_membership, { memberships }) => ({
    async release(record) {
      for (const membership of memberships) await membership.release(record);
    },
  })),
  "gives each node channels of its own": (log) => {
    const own = crypto.randomUUID();
    return {
      append: (channel, ...rest) => log.append(channel + own, ...rest),
      read: (channel, options) => log.read(channel + own, options),
      watch: (channel, wake) => log.watch(channel + own, wake),
    };
  },
  "wakes only those who watch with the log that appends": wakesOwn,
  "forgets who wants to hear of an entry": apart(([channel, data, { origin, ...options }]) => [
    channel,
    data,
    options,
  ]),
  "takes no notice of what an append follows": apart(([channel, data, { follows, ...options }]) => [
    channel,
    data,
    options,
  ]),
  "wakes without saying who wants to hear of an entry": (log) => ({
    watch: (channel, wake) =>
      log.watch(channel, (hint) => {
        const { origin, ...rest } = hint ?? {};
        wake(hint && (rest as WakeHint));
      }),
  }),
  "begins a channel once for each node": beginsForEach,
  "remembers keys for each node": apart(([channel, data, { key, ...options }], own) => [
    channel,
    data,
    { ...options, key: key && { ...key, text: own + key.text } },
  ]),
  "remembers writers for each node": apart(([channel, data, { once, ...options }], own) => [
    channel,
    data,
    { ...options, once: once && { ...once, by: own + once.by } },
  ]),
  "tells nobody that it was wiped": (log) => ({
    join: ({ inherits, lost }, options) => log.join({ inherits, lost }, options),
  }),
  "forgets its members when it is wiped": (log) => ({
    async join(member, options) {
      let membership: Membership | undefined;
      const renewed = (): void => {
        void membership?.[Symbol.asyncDispose]();
        member.renewed?.();
      };
      const { inherits, lost } = member;
      membership = (await log.join({ inherits, lost, renewed }, options)) as Membership;
      return membership;
    },
  }),
  "tells nobody that it is lost": (log) => ({
    join: (member, options) => log.join({ ...member, lost() {} }, options),
  }),
  "gives a member that was lost its id again": (log) => {
    let id: string | undefined;
    return {
      async join(...call) {
        const membership = await log.join(...call);
        id ??= membership.id;
        return { ...membership, id };
      },
    };
  },
  "refuses a member that was lost for ever": (log) => {
    let lost: Error | undefined;
    return {
      async join({ inherits }, options) {
        if (lost !== undefined) throw new LogError(lost.message);
        const note = (error: Error): void => {
          lost = error;
        };
        return log.join({ inherits, lost: note }, options);
      },
    };
  },
  "takes what a member sends that is lost": (log, { shared }) => {
    const other = shared.open();
    return {
      async append(channel, data, options) {
        try {
          return await log.append(channel, data, options);
        } catch (error) {
          if (error instanceof LogError) return other.append(channel, data, options);
          throw error;
        }
      },
    };
  },
};
