import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Log, memoryLog } from "tocsin";
import { type SqliteDatabase, sqliteLog } from "tocsin/sqlite";

/** How long a run is kept after its ending, and its announcements on the user's channel: a day, in milliseconds. */
export const keptFor = 86_400_000;

/**
 * Opens the database of the demo with `open`, and prints where it is: in the file that `TOCSIN_DEMO_DB` names, or in
 * `.cache/demo.db` of this project. Without `open` there is no database, and that is printed.
 */
export function openDatabase<Database>(open: ((file: string) => Database) | undefined): Database | undefined {
  if (open === undefined) {
    console.log(
      "Runs are kept in memory, and are gone when this stops: this Node has no SQLite, 22.13 has it",
    );
    return undefined;
  }
  const { TOCSIN_DEMO_DB } = process.env;
  const file = resolve(TOCSIN_DEMO_DB || fileURLToPath(new URL("../../.cache/demo.db", import.meta.url)));
  try {
    makePrivate(file);
    const database = open(file);
    console.log(`Runs are kept for 24 hours, also when this stops, in ${file}`);
    return database;
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`cannot open the database ${file}: ${message}; choose another with TOCSIN_DEMO_DB`, {
      cause,
    });
  }
}

/** Returns the log of the notifier: in the database, which the log never closes, or in memory. */
export function logIn(database: SqliteDatabase | undefined): Log {
  if (database === undefined) return memoryLog({ ttl: keptFor });
  // People kill a demo and start it again at once. After a kill, the next process takes the database over when two
  // thirds of the lease have passed: 2 s instead of 10 s. But a process that stands still for so long may lose its
  // database to one that waits, so a real server keeps the default.
  return sqliteLog({ database, ttl: keptFor, lease: 3_000 });
}

/** Only this user may read the file: it has the names of users, and who knows a user's name is that user. */
function makePrivate(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  closeSync(openSync(file, "a", 0o600));
}
