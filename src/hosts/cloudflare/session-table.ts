import type { SqlPort } from "../../stores/sqlite/database.ts";

/** Characters of a row: the platform stores rows of up to 2 MB, and a character may take three bytes. */
const partChars = 500_000;

/** The states of sessions that are too large to be kept with their sockets. */
export class SessionTable {
  readonly #port: SqlPort;
  #isThere = false;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  put(id: string, state: string): void {
    this.#create();
    this.#port.write(() => {
      this.delete(id);
      for (const [part, text] of partsOf(state).entries())
        this.#port.rows("INSERT INTO tocsin_sessions (id, part, state) VALUES (?, ?, ?)", id, part, text);
    });
  }

  /** Returns the state of a session, or "" if there is none. */
  get(id: string): string {
    this.#create();
    const rows = this.#port.rows("SELECT state FROM tocsin_sessions WHERE id = ? ORDER BY part", id);
    return rows.map(({ state }) => state).join("");
  }

  delete(id: string): void {
    this.#create();
    this.#port.rows("DELETE FROM tocsin_sessions WHERE id = ?", id);
  }

  /** Deletes the states of sessions that are no longer there. */
  retain(ids: ReadonlySet<string>): void {
    this.#create();
    for (const { id } of this.#port.rows("SELECT DISTINCT id FROM tocsin_sessions"))
      if (!ids.has(id as string)) this.delete(id as string);
  }

  #create(): void {
    if (this.#isThere) return;
    this.#port.rows(
      "CREATE TABLE IF NOT EXISTS tocsin_sessions (id TEXT, part INTEGER, state TEXT, PRIMARY KEY (id, part)) WITHOUT ROWID",
    );
    this.#isThere = true;
  }
}

/** Cuts a text into rows. The storage would change both halves of a character that is cut in two. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    const last = start + partChars - 1;
    const end = isLeadSurrogate(text.charCodeAt(last)) ? last : last + 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts;
}

function isLeadSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
