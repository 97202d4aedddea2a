import { byteLength } from "../../src/base/bytes.ts";
import type { SqliteDatabase } from "../../src/stores/sqlite/database.ts";
import type { ObjectStorage } from "../../src/stores/sqlite/object-port.ts";

/** Limits of the platform: https://developers.cloudflare.com/durable-objects/platform/limits/ */
const limits = { parameters: 100, row: 2_000_000, statement: 100_000 };
const names: Readonly<Record<number, string>> = { 1: "ERROR", 11: "CORRUPT", 13: "FULL", 19: "CONSTRAINT" };

/** A storage that stands for that of a Durable Object, on a database that a test has opened. */
export interface StandIn extends ObjectStorage {
  /** All statements since it was created. */
  readonly statements: string[];
  /** Returns the error that the next statements and transactions fail with. */
  fault: (sql: string) => Error | undefined;
}

/** Refuses what the platform refuses, with its errors. It does not count rows. */
export function standIn(database: SqliteDatabase): StandIn {
  let depth = 0;
  const run = (sql: string, ...values: (string | number | null)[]): unknown[] => {
    try {
      const statement = database.prepare(sql);
      try {
        if (statement.reader !== false)
          return statement.all(...values).map((row) => ({ ...(row as object) }));
        statement.run(...values);
        return [];
      } finally {
        statement.finalize?.();
      }
    } catch (cause) {
      throw asPlatform(cause);
    }
  };
  const storage: StandIn = {
    statements: [],
    fault: () => undefined,
    sql: {
      exec(sql, ...values) {
        storage.statements.push(sql);
        refuse(sql, values);
        const error = storage.fault(sql);
        if (error !== undefined) throw error;
        const rows = run(sql, ...values);
        return { toArray: () => rows, rowsRead: 0, rowsWritten: 0 };
      },
      get databaseSize() {
        const [row] = run(
          "SELECT page_count * page_size AS size FROM pragma_page_count(), pragma_page_size()",
        );
        return (row as { size: number }).size;
      },
    },
    transactionSync(work) {
      const point = `point${depth++}`;
      run(`SAVEPOINT ${point}`);
      try {
        const result = work();
        const error = depth === 1 ? storage.fault("COMMIT") : undefined;
        if (error !== undefined) throw error;
        run(`RELEASE ${point}`);
        return result;
      } catch (error) {
        run(`ROLLBACK TO ${point}`);
        run(`RELEASE ${point}`);
        throw error;
      } finally {
        depth--;
      }
    },
  };
  return storage;
}

function refuse(sql: string, values: readonly unknown[]): void {
  if (/^\s*(BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)\b/i.test(sql))
    throw new Error("To execute a transaction, please use the state.storage.transactionSync() API");
  if (/^\s*(PRAGMA|ATTACH|DETACH|VACUUM)\b/i.test(sql)) throw new Error("not authorized: SQLITE_AUTH");
  if (byteLength(sql) > limits.statement) throw new Error("statement too long: SQLITE_TOOBIG");
  if (values.length > limits.parameters) throw new Error("too many SQL variables at offset 0: SQLITE_ERROR");
  if (values.length !== sql.split("?").length - 1)
    throw new Error("Wrong number of parameter bindings for SQL query.");
  const bytes = values.map((value) => (typeof value === "string" ? byteLength(value) : 8));
  if (bytes.reduce((sum, each) => sum + each, 0) > limits.row)
    throw new Error("string or blob too big: SQLITE_TOOBIG");
}

/** Returns an error of this runtime's SQLite as the platform would throw it. */
function asPlatform(cause: unknown): Error {
  const { message, errcode, errno } = cause as { message: string; errcode?: number; errno?: number };
  return new Error(`${message}: SQLITE_${names[(errcode ?? errno ?? 1) & 0xff] ?? "ERROR"}`);
}
