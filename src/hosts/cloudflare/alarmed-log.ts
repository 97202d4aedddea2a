import type { Log } from "../../model/log.ts";
import type { SqliteLog } from "../../stores/sqlite/sqlite-log.ts";

/** What an object is told about its log. */
export interface AlarmedLogHooks {
  /** Something is appended in this turn that another life would have to end if this one ended without notice. */
  held(): void;
  /** A life before has left something that this one has to end. */
  inherited(): void;
}

/** Returns the same log, which calls `hooks`. */
export function alarmedLog(log: SqliteLog, hooks: AlarmedLogHooks): Log {
  return {
    append(channel, data, options) {
      const position = log.append(channel, data, options);
      if (options.hold !== undefined) hooks.held();
      return position;
    },
    read: (channel, options) => log.read(channel, options),
    watch: (channel, wake) => log.watch(channel, wake),
    keeps: (channel) => log.keeps(channel),
    commit: () => log.commit(),
    join: (member, options) =>
      log.join(
        {
          inherits(records) {
            if (records.length > 0) hooks.inherited();
            member.inherits(records);
          },
          lost: (error) => member.lost(error),
        },
        options,
      ),
    get bytes() {
      return log.bytes;
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
