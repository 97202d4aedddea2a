import { describe, LogError } from "../../model/errors.ts";

/** What an error of SQLite says of the file. */
export interface Fault {
  /** The state of the file, and what to do. */
  readonly state: string;
  /** Whether it stays so, whatever is tried again. */
  readonly lasting: boolean;
}

export const passing = (state: string): Fault => ({ state, lasting: false });
export const lasting = (state: string): Fault => ({ state, lasting: true });

const locked = passing(
  "it is locked by another connection. The log needs a database of its own: end the other's transaction",
);
const corrupt = lasting(
  "its file is damaged, or is not a database. Put a copy in its place, and call renew() on the log",
);

/** What is wrong with a database in a file, by primary result code: https://sqlite.org/rescode.html */
export const faults: ReadonlyMap<number, Fault> = new Map([
  [5, locked],
  [6, locked],
  [7, passing("there is no memory left. Free some")],
  [8, lasting("it is read-only. Open it so that it can be written, and give the process the right to write")],
  [9, passing("its work was interrupted")],
  [10, passing("the disk reports an error. Check the disk and its cable, or its network")],
  [11, corrupt],
  [13, passing("the disk is full. Free some space")],
  [14, passing("its file cannot be opened. Check that its directory is there, and may be written")],
  [15, passing("the lock of its file is being changed by another process")],
  [22, lasting("the system lacks support for files of this size")],
  [23, lasting("its authorizer refuses what the log does. Let the log work alone")],
  [26, corrupt],
]);

/** The primary result codes by their names, without `SQLITE_`. */
export const codes: Readonly<Record<string, number>> = {
  ...{ BUSY: 5, LOCKED: 6, NOMEM: 7, READONLY: 8, INTERRUPT: 9, IOERR: 10, CORRUPT: 11, FULL: 13 },
  ...{ CANTOPEN: 14, PROTOCOL: 15, NOLFS: 22, AUTH: 23, NOTADB: 26 },
};

/** What the drivers say of a connection that was closed. None of them has a code for it. */
const closed = /not open|closed database|has closed|finalized/i;
/** What all drivers say when somebody else has begun a transaction on the connection of the log. */
const shared = /within a transaction/i;

/** Returns the `LogError` for what a driver threw. */
export function driverError(cause: unknown): LogError {
  if (cause instanceof LogError) return cause;
  return faultError(faultOf(cause, describe(cause).message), cause);
}

/** Returns the `LogError` for a fault. */
export function faultError({ state, lasting }: Fault, cause: unknown): LogError {
  return new LogError(`Cannot use the database of the log: ${state}`, { lasting, cause });
}

/** Returns the fault when SQLite refuses a statement, which it should never do. */
export function refusal(message: string): Fault {
  return lasting(`SQLite refuses what the log asks for, ${message}. Check who else changes its tables`);
}

function faultOf(cause: unknown, message: string): Fault {
  const fault = faults.get(codeOf(cause) ?? 0);
  if (fault !== undefined) return fault;
  if (closed.test(message))
    return lasting("it was closed. Dispose the log first, and close the database then");
  if (shared.test(message))
    return passing("a transaction of others is open on its connection. Give the log a connection of its own");
  return refusal(message);
}

/**
 * Returns the primary result code of SQLite. `node:sqlite` has it in `errcode`, `bun:sqlite` in `errno`, each with the
 * extended code above the lowest byte. `better-sqlite3` has the name of the extended code in `code`.
 */
export function codeOf(thrown: unknown): number | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  const { errcode, errno, code } = thrown as { errcode?: unknown; errno?: unknown; code?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  const [, name] = (typeof code === "string" && /^SQLITE_([A-Z]+)/.exec(code)) || [];
  if (name === undefined) return undefined;
  return typeof errno === "number" ? errno & 0xff : codes[name];
}
