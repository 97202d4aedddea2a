import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { describe } from "../model/errors.ts";
import type { SqliteDatabase } from "../stores/sqlite/database.ts";
import { driverError } from "../stores/sqlite/faults.ts";
import type { OpenReadOnly } from "./sqlite-driver.ts";

/** A database that was opened to be read. */
export interface DatabaseFile {
  readonly database: SqliteDatabase;
  /** Bytes of the file, and of the write-ahead log beside it. */
  sizes(): { readonly file: number; readonly wal: number };
  /** Whether another file, or none, has its name now. */
  isReplaced(): boolean;
  close(): void;
}

/** What every file of SQLite begins with, unless it is empty. */
const magic = "SQLite format 3\0";

/**
 * Opens a file of SQLite with the driver's read-only option. `openReadOnly` is the driver.
 *
 * @throws {Error} that says what to do, when the file is missing, may not be read, or is no database
 */
export function openFile(path: string, openReadOnly: OpenReadOnly): DatabaseFile {
  const found = check(path);
  const database = opened(path, openReadOnly);
  return {
    database,
    sizes: () => ({ file: statOf(path)?.size ?? 0, wal: statOf(`${path}-wal`)?.size ?? 0 }),
    isReplaced() {
      const now = statOf(path);
      return now?.ino !== found.ino || now.dev !== found.dev;
    },
    close: () => database.close(),
  };
}

function opened(path: string, openReadOnly: OpenReadOnly): ReturnType<OpenReadOnly> {
  try {
    return openReadOnly(path);
  } catch (error) {
    throw driverError(error);
  }
}

/** A driver creates no file here, but its errors do not tell what is wrong with the path. */
function check(path: string): Stats {
  const found = statOf(path);
  if (found === undefined) throw unreadable(path, "there is no such file. Check the path");
  if (!found.isFile()) throw unreadable(path, "it is not a file. Give the file of the database");
  const start = startOf(path);
  // A database that nothing was written to yet is an empty file.
  if (start !== "" && start !== magic)
    throw unreadable(path, "it is no database of SQLite. Give the file that sqliteLog() writes");
  return found;
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw unreadable(path, `${describe(error).message}. Check the path, and who may read it`, error);
  }
}

function startOf(path: string): string {
  const start = new Uint8Array(magic.length);
  try {
    const file = openSync(path, "r");
    try {
      return new TextDecoder("latin1").decode(start.subarray(0, readSync(file, start)));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw unreadable(path, `${describe(error).message}. Run the command as a user who may read it`, error);
  }
}

function unreadable(path: string, why: string, cause?: unknown): Error {
  return new Error(`Cannot read ${JSON.stringify(path)}: ${why}`, { cause });
}
