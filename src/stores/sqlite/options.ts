import { checkBound } from "../../base/check.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Bound } from "../bounds.ts";
import { boundsByName } from "../bounds.ts";
import { databasePort, type SqliteDatabase } from "./database.ts";
import { createDatabaseLog } from "./database-log.ts";
import { Entries } from "./entries.ts";
import { Epochs } from "./epochs.ts";
import { fileSteps } from "./format.ts";
import { LeaseOwnership } from "./lease-ownership.ts";
import type { SqliteLog } from "./sqlite-log.ts";

/** Options of `sqliteLog`. */
export interface SqliteLogOptions {
  /**
   * The opened database: `DatabaseSync` of `node:sqlite`, `Database` of `bun:sqlite`, or `Database` of
   * `better-sqlite3`. It should be the log's own. The log never closes it.
   */
  database: SqliteDatabase;
  /** Publications kept per channel. Default 1 000. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8. Default 1 048 576 (1 MiB). */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept. Default 86 400 000 (24 h). */
  ttl?: Bound | undefined;
  /**
   * Bytes that publications over `size` and `bytes` may take while they are younger than 10 s. Each of them counts 192
   * bytes besides its payload and tags. Above `slack`, or after 10 s, a channel is trimmed to `size` and `bytes`,
   * oldest first. 0: it always is. Default 8 388 608 (8 MiB).
   */
  slack?: Bound | undefined;
  /**
   * Bytes kept in total. A publication counts 192 bytes besides its payload and tags; in the file it takes less. Above
   * this limit, the oldest publications of all channels are trimmed, until 1/64 less is left. Default 1 073 741 824
   * (1 GiB).
   */
  totalBytes?: number | undefined;
  /**
   * What a commit outlives. `"power"`: a power cut, since every commit waits for the disk. `"process"`: the end of the
   * process, however it ends. Commits are faster, and a power cut may lose the last ones. After any stop without
   * disposal all channels therefore continue in new epochs, so that no position is ever given out twice. Default
   * `"power"`.
   */
  durability?: "power" | "process" | undefined;
  /**
   * Milliseconds for which the database stays with a process that has stopped without disposal: another one takes it
   * over after two thirds of it. A process that blocks its event loop for so long loses the database. Default 15 000.
   */
  lease?: number | undefined;
  /** The source of the time. Default: the clock of the machine. */
  clock?: Clock | undefined;
}

const defaults = { size: 1_000, bytes: 1_048_576, ttl: 86_400_000, slack: 8_388_608 };

/**
 * Creates a log that keeps its channels in a database of SQLite. They outlive the process.
 *
 * Nothing happens to the database until the log is first used. Then the log creates its tables, whose names begin with
 * `tocsin_`, and sets `journal_mode = WAL`, `synchronous` and `busy_timeout = 0`: it never waits for a lock, because
 * that would stop the event loop. Give it a database of its own. The database must return integers as numbers, which is
 * every driver's default.
 *
 * One process at a time owns the database, and appends. It becomes the owner by `join`, or by its first append. Others
 * may read. `append` only gathers, `commit` writes all that is gathered in one transaction. The owner has a timer, which
 * keeps the process alive: dispose the log before you close the database.
 *
 * Ages count on the wall clock, which goes on while no process runs. What expired is never read any more. It is removed
 * from the file by later commits, a few at a time. The file keeps its size; SQLite uses the free pages again. Epoch and
 * top of a channel outlive its publications for 24 hours after its last append, and while it is watched.
 *
 * Calls throw a `LogError` when the database fails. It says what state the file is in, and what to do. If it is not
 * lasting, what was gathered stays, and the next commit tries again. A lasting error drops it, and all later calls throw
 * that error. An append throws a `LogError` while another process owns the database, and a lasting one once another
 * process has taken it over. Once disposed, the log throws a `ClosedError`.
 *
 * Functions given as bounds are not asked for channels whose names begin with `"\0"`, which are reserved. If such a
 * function throws, or does not return a number from 0 up, its channel fails for good with a lasting `LogError`.
 *
 * @throws {RangeError} when a bound is negative or not a number, or `lease` is not a number from 1 up
 * @throws {TypeError} when `database` is not an opened database, or `durability` is not one of its values
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 *
 * const log = sqliteLog({ database: new DatabaseSync("notifications.db") });
 * const position = log.append("room:1", '"hello"', { time: Date.now() });
 * log.commit();
 * const { entries } = log.read("room:1", { after: { ...position, offset: 0 } });
 * ```
 */
export function sqliteLog({
  database,
  size = defaults.size,
  bytes = defaults.bytes,
  ttl = defaults.ttl,
  slack = defaults.slack,
  totalBytes = 1_073_741_824,
  durability = "power",
  lease = 15_000,
  clock = systemClock,
}: SqliteLogOptions): SqliteLog {
  const boundsOf = boundsByName({ size, bytes, ttl, slack }, defaults);
  checkBound("totalBytes", totalBytes);
  if (typeof database?.prepare !== "function")
    throw new TypeError(
      "Cannot use the database: it has no prepare(). Open one, with node:sqlite for example",
    );
  if (durability !== "power" && durability !== "process")
    throw new TypeError(`Cannot use durability "${String(durability)}": it is "power" or "process"`);
  if (!(lease >= 1 && lease < Infinity))
    throw new RangeError(`Cannot use lease "${String(lease)}": it is not a number of milliseconds from 1 up`);
  const port = databasePort(database);
  return createDatabaseLog({
    ...{
      port,
      steps: fileSteps,
      entries: new Entries(port),
      boundsOf,
      totalBytes,
      clock,
      epochs: new Epochs(),
      maxIdle: 10_000,
      channelCost: 768,
    },
    own: (parts, scope) => new LeaseOwnership({ ...parts, clock, scope, lease, durability }),
  });
}
