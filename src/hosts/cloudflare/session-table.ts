import type { SqlRow, SqlValue } from "../../stores/sqlite/database.ts";
import type { ObjectStorage } from "./platform.ts";

/** Characters of a row: the platform stores rows of up to 2 MiB, and a character may take three bytes. */
const partChars = 500_000;

/** The states of sessions that are too large to be kept with their sockets. */
export class SessionTable {
  readonly #storage: ObjectStorage;
  #isThere = false;

  constructor(storage: ObjectStorage) {
    this.#storage = storage;
  }

  put(id: string, state: string): void {
    this.#create();
    this.#storage.transactionSync(() => {
      this.delete(id);
      for (let part = 0; part * partChars < state.length; part++) {
        const text = state.slice(part * partChars, (part + 1) * partChars);
        this.#rows("INSERT INTO tocsin_sessions (id, part, state) VALUES (?, ?, ?)", id, part, text);
      }
    });
  }

  /** Returns the state of a session, or "" if there is none. */
  get(id: string): string {
    this.#create();
    const rows = this.#rows("SELECT state FROM tocsin_sessions WHERE id = ? ORDER BY part", id);
    return rows.map(({ state }) => state).join("");
  }

  delete(id: string): void {
    this.#create();
    this.#rows("DELETE FROM tocsin_sessions WHERE id = ?", id);
  }

  /** Deletes the states of sessions that are no longer there. */
  retain(ids: ReadonlySet<string>): void {
    this.#create();
    for (const { id } of this.#rows("SELECT DISTINCT id FROM tocsin_sessions"))
      if (!ids.has(id as string)) this.delete(id as string);
  }

  #create(): void {
    if (this.#isThere) return;
    this.#isThere = true;
    this.#rows(
      "CREATE TABLE IF NOT EXISTS tocsin_sessions (id TEXT, part INTEGER, state TEXT, PRIMARY KEY (id, part)) WITHOUT ROWID",
    );
  }

  #rows(query: string, ...bindings: SqlValue[]): readonly SqlRow[] {
    return this.#storage.sql.exec(query, ...bindings).toArray();
  }
}
