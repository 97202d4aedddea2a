import type { Log } from "../../model/log.ts";
import type { SqliteLog } from "../../stores/sqlite/sqlite-log.ts";

/**
 * Returns the same log. `held` is called in the turn in which something is appended that another life would have to end
 * if this one ended without notice.
 */
export function alarmedLog(log: SqliteLog, held: () => void): Log {
  return {
    append(channel, data, options) {
      const position = log.append(channel, data, options);
      if (options.hold !== undefined) held();
      return position;
    },
    read: (channel, options) => log.read(channel, options),
    watch: (channel, wake) => log.watch(channel, wake),
    keeps: (channel) => log.keeps(channel),
    commit: () => log.commit(),
    join: (member, options) => log.join(member, options),
    get bytes() {
      return log.bytes;
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
