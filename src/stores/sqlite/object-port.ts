import type { LogError } from "../../model/errors.ts";
import type { SqlPort, SqlRow, SqlValue } from "./database.ts";
import { storageError } from "./object-faults.ts";

/** The result of one statement, as `SqlStorageCursor` of Cloudflare has it. */
export interface ObjectCursor {
  /** Returns all rows, each an object by column name. */
  toArray(): unknown[];
  /** Rows that the statement has read and written so far, those of indexes included. The platform bills them. */
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

/**
 * What the log needs of the storage of a Durable Object: `ctx.storage` of a class that is declared under
 * `new_sqlite_classes`.
 */
export interface ObjectStorage {
  readonly sql: {
    /** Runs a statement at once, with values for its `?`, in order. */
    exec(query: string, ...bindings: SqlValue[]): ObjectCursor;
    /** Bytes that the database takes. */
    readonly databaseSize: number;
  };
  /** Calls `work` in a transaction. If `work` throws, nothing was written. */
  transactionSync<T>(work: () => T): T;
}

/** Creates the port to the storage of a Durable Object. */
export function objectPort(storage: ObjectStorage): SqlPort {
  return new ObjectPort(storage);
}

class ObjectPort implements SqlPort {
  readonly #storage: ObjectStorage;
  broken: LogError | undefined;
  /** https://developers.cloudflare.com/durable-objects/platform/limits/ says 2 MB. */
  readonly maxRow = 2_000_000;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  get size(): number {
    return this.#storage.sql.databaseSize;
  }

  /** The platform refuses `PRAGMA`, and has chosen everything. */
  open(): void {}

  /** Nothing leaves an object before what it has written is safe. */
  sync(): void {}

  rows(sql: string, ...values: SqlValue[]): readonly SqlRow[] {
    if (this.broken !== undefined) throw this.broken;
    try {
      return this.#storage.sql.exec(sql, ...values).toArray() as readonly SqlRow[];
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  write<T>(work: () => T): T {
    if (this.broken !== undefined) throw this.broken;
    let thrown: { readonly error: unknown } | undefined;
    try {
      return this.#storage.transactionSync(() => {
        try {
          return work();
        } catch (error) {
          thrown = { error };
          throw error;
        }
      });
    } catch (cause) {
      throw thrown === undefined ? this.#failed(cause) : thrown.error;
    }
  }

  /** Nobody else can write between two statements of one turn. */
  snapshot<T>(work: () => T): T {
    return work();
  }

  release(): void {}

  #failed(cause: unknown): LogError {
    const error = storageError(cause);
    if (error.lasting) this.broken = error;
    return error;
  }
}
