import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { describe, LogError } from "../model/errors.ts";
import type { SqliteDatabase } from "../stores/sqlite/database.ts";
import { codeOf } from "../stores/sqlite/faults.ts";
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
  const database = openReadOnly(path);
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

/** What the primary result codes of SQLite mean for somebody who only reads. */
const faults: Readonly<Record<number, string>> = {
  ...byCodes([5, 6], "another connection has locked it. Try again, or stop the process that has locked it"),
  ...byCodes(
    [8, 14],
    "SQLite must create files beside it, and may not. Run the command as the user of the server, or copy the file",
  ),
  ...byCodes([11, 26], "the file is damaged. Look at an earlier copy of it"),
};

/** Returns what to tell of an error, with the file. */
export function readingError(path: string, error: unknown): string {
  const { message } = describe(error);
  const fault = faults[codeOf(error instanceof LogError ? error.cause : error) ?? 0];
  return fault === undefined ? message : unreadable(path, fault).message;
}

function byCodes(codes: readonly number[], fault: string): Record<number, string> {
  return Object.fromEntries(codes.map((code) => [code, fault]));
}

/** The errors of the drivers do not tell what is wrong with a path. */
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
