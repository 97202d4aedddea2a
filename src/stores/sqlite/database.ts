import type { LogError } from "../../model/errors.ts";
import { driverError } from "./faults.ts";

/** A value that is bound to a statement, or that a row contains. */
export type SqlValue = string | number | null;

/** A row, by the names of its columns. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** A prepared statement of a driver. */
export interface SqliteStatement {
  /** Runs the statement with values for its `?`, in order. Returns all rows, each an object by column name. */
  all(...values: SqlValue[]): unknown[];
  /** Runs the statement, and returns no rows. */
  run(...values: SqlValue[]): unknown;
  /** Whether it returns rows, if the driver refuses `all` otherwise, as `better-sqlite3` does. */
  readonly reader?: boolean;
  /** Releases the statement, if the driver wants this before the database is closed, as `bun:sqlite` does. */
  finalize?(): void;
}

/**
 * An opened database: `DatabaseSync` of `node:sqlite` (Node from 22.13, Deno), `Database` of `bun:sqlite`, or
 * `Database` of `better-sqlite3`. It MUST return integers as numbers, as all of them do by default.
 */
export interface SqliteDatabase {
  /** Prepares one statement. */
  prepare(sql: string): SqliteStatement;
}

/** What the log needs of a database. Everything is synchronous, and throws a `LogError`. */
export interface SqlPort {
  /** The lasting error that a call has thrown. All later calls throw it again. */
  readonly broken: LogError | undefined;
  /** Bytes that a row may have at most, all its values together. */
  readonly maxRow: number;
  /** Bytes that the database takes, if that is known without looking at all of it. */
  readonly size: number | undefined;
  /** Prepares the connection. It may be called again after it has failed. */
  open(): void;
  /** Chooses whether a commit is on the disk when it returns. */
  sync(isFull: boolean): void;
  /** Runs one statement with values for its `?`, and returns its rows. There are few different statements. */
  rows(sql: string, ...values: SqlValue[]): readonly SqlRow[];
  /** Calls `work` in a transaction, which nobody else writes beside. If `work` throws, nothing was written. */
  write<T>(work: () => T): T;
  /** Calls `work`, which sees the database as it is at one moment. */
  snapshot<T>(work: () => T): T;
  /** Releases what the log holds of the connection, and leaves it open. */
  release(): void;
}

/** Creates the port to the database that a user has opened. */
export function databasePort(database: SqliteDatabase): SqlPort {
  return new DatabasePort(database);
}

class DatabasePort implements SqlPort {
  readonly #database: SqliteDatabase;
  /** Prepared statements by their text. To prepare one takes longer than to run it. */
  readonly #statements = new Map<string, SqliteStatement>();
  broken: LogError | undefined;
  /** The default of SQLite. */
  readonly maxRow = 1_000_000_000;
  readonly size = undefined;

  constructor(database: SqliteDatabase) {
    this.#database = database;
  }

  open(): void {
    // Waiting for a lock would stop the whole event loop: the log waits, and tries again.
    this.#once("PRAGMA busy_timeout = 0");
    this.#once("PRAGMA journal_mode = WAL");
    this.sync(true);
  }

  sync(isFull: boolean): void {
    this.#once(`PRAGMA synchronous = ${isFull ? "FULL" : "NORMAL"}`);
  }

  rows(sql: string, ...values: SqlValue[]): readonly SqlRow[] {
    if (this.broken !== undefined) throw this.broken;
    try {
      const statement = this.#statements.get(sql) ?? this.#prepare(sql);
      if (statement.reader !== false) return statement.all(...values) as readonly SqlRow[];
      statement.run(...values);
      return [];
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  write<T>(work: () => T): T {
    return this.#transaction("BEGIN IMMEDIATE", work);
  }

  snapshot<T>(work: () => T): T {
    return this.#transaction("BEGIN", work);
  }

  release(): void {
    for (const statement of this.#statements.values()) statement.finalize?.();
    this.#statements.clear();
  }

  #transaction<T>(begin: string, work: () => T): T {
    // Prepared anew: on Bun, statements that are there still work after the user has closed the database.
    this.#once(begin);
    try {
      const result = work();
      this.rows("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  /** SQLite itself has rolled back after some errors, and then refuses to do it again. */
  #rollBack(): void {
    try {
      this.#run("ROLLBACK");
    } catch {}
  }

  /** Runs a statement that is not worth keeping. */
  #once(sql: string): void {
    if (this.broken !== undefined) throw this.broken;
    try {
      this.#run(sql);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  /** The `exec` of Deno would throw errors without the code of SQLite. */
  #run(sql: string): void {
    const statement = this.#database.prepare(sql);
    try {
      statement.run();
    } finally {
      statement.finalize?.();
    }
  }

  #failed(cause: unknown): LogError {
    const error = driverError(cause);
    if (error.lasting) this.broken = error;
    return error;
  }

  #prepare(sql: string): SqliteStatement {
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
