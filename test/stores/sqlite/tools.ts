import type { Log } from "tocsin";
import type { SqliteLog } from "tocsin/sqlite";

/** Commits each append at once. */
export function committing(log: SqliteLog): Log {
  return {
    append(...args) {
      const position = log.append(...args);
      log.commit();
      return position;
    },
    read: (...args) => log.read(...args),
    watch: (...args) => log.watch(...args),
    keeps: (channel) => log.keeps(channel),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
