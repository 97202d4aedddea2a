import { LogError } from "../../src/model/errors.ts";
import type { Membership } from "../../src/model/log.ts";
import { type NodeFault, wrongNodes } from "./wrong-nodes.ts";

/** Faults that a store shows only to notifiers. */
const others: Readonly<Record<string, NodeFault>> = {
  "does not seal": (log) => ({
    append: (channel, data, { place, ...options }) =>
      log.append(channel, data, { ...options, place: place === "last" ? undefined : place }),
  }),
  "neither seals nor releases": (log) => ({
    append: (channel, data, { place, ...options }) =>
      log.append(channel, data, { ...options, place: place === "last" ? undefined : place }),
    join: async (...call) => ({ ...(await log.join(...call)), release() {} }),
  }),
  "releases nothing": (log) => ({
    join: async (...call) => ({ ...(await log.join(...call)), release() {} }),
  }),
  "holds nothing": (log) => ({
    append: (channel, data, { hold, ...options }) => log.append(channel, data, options),
  }),
  "does not keep the origin of an entry": (log) => ({
    append: (channel, data, { origin, ...options }) => log.append(channel, data, options),
  }),
  "loses what nodes tell each other": (log) => ({
    append: async (channel, data, options) =>
      channel.startsWith("\0") ? { offset: 1, epoch: "lost" } : log.append(channel, data, options),
  }),
  "keeps what the last member has left": (log) => ({
    async join({ inherits, lost }, options) {
      let membership: Membership | undefined;
      const member = {
        lost,
        inherits(records: Parameters<typeof inherits>[0]) {
          if (membership !== undefined) inherits(records);
        },
      };
      membership = await log.join(member, options);
      return membership;
    },
  }),
  "gives an heir what the living hold": (log, { shared }) => ({
    join: ({ inherits, lost }, options) =>
      log.join({ lost, inherits: () => inherits(shared.inspect().records.map(({ held }) => held)) }, options),
  }),
  "takes everybody for gone who was cut off": (log) => {
    let tell = (): void => {};
    return {
      join(member, options) {
        tell = () => member.lost(new LogError("Cannot write to the log: this node is taken for gone"));
        return log.join(member, options);
      },
      heal() {
        log.heal();
        tell();
      },
    };
  },
  "takes everybody for gone while it stands still": (_log, { shared, members }) => {
    const { resume } = shared;
    shared.resume = () => {
      resume.call(shared);
      for (const member of members.splice(0)) member.lost(new LogError("Cannot write to the log: gone"));
    };
    return {};
  },
  "loses everything when it is set back": (_log, { shared }) => {
    shared.rollback = () => shared.wipe();
    return {};
  },
  "stands still once a log was disposed": (log, { shared }) => ({
    async [Symbol.asyncDispose]() {
      await log[Symbol.asyncDispose]();
      shared.pause();
    },
  }),
};

/** Stores that are each wrong in one way for several notifiers. */
export const wrongClusters: Readonly<Record<string, NodeFault>> = { ...wrongNodes, ...others };
