import type { SqlPort } from "./database.ts";

/** A writer or a key, and the append that it is remembered for. */
export interface Repeat {
  /** The last number of a writer. 0 for a key. */
  readonly n: number;
  readonly offset: number;
  /** When it is forgotten, on the wall clock. */
  readonly expires: number;
}

export type RepeatKind = "writers" | "keys";

const kinds = ["writers", "keys"] as const;

/** The tables of writers and of keys: which appends were made, so that one that is sent again is made only once. */
export class RepeatTables {
  readonly #port: SqlPort;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  /** `text`: as it is stored. */
  find(kind: RepeatKind, channel: number, text: string, now: number): Repeat | undefined {
    const sql = `SELECT n, place, expires FROM tocsin_${kind} WHERE channel = ? AND text = ? AND expires > ?`;
    const [row] = this.#port.rows(sql, channel, text, now);
    return row && { n: Number(row.n), offset: Number(row.place), expires: Number(row.expires) };
  }

  put(kind: RepeatKind, channel: number, text: string, { n, offset, expires }: Repeat): void {
    const sql = `INSERT OR REPLACE INTO tocsin_${kind} (channel, text, n, place, expires) VALUES (?, ?, ?, ?, ?)`;
    this.#port.rows(sql, channel, text, n, offset, expires);
  }

  /** Whether a key of a channel is still remembered. */
  hasKeys(channel: number, now: number): boolean {
    const sql = "SELECT 1 FROM tocsin_keys WHERE channel = ? AND expires > ? LIMIT 1";
    return this.#port.rows(sql, channel, now).length > 0;
  }

  clear(channel: number): void {
    for (const kind of kinds) this.#port.rows(`DELETE FROM tocsin_${kind} WHERE channel = ?`, channel);
  }

  /** Forgets some that have expired. Returns whether there may be more of them. */
  expire(now: number, limit: number): boolean {
    let isMore = false;
    for (const kind of kinds) {
      const where = `expires <= ? ORDER BY expires LIMIT ?`;
      const sql = `SELECT channel, text FROM tocsin_${kind} WHERE ${where}`;
      const over = this.#port.rows(sql, now, limit);
      const remove = `DELETE FROM tocsin_${kind} WHERE channel = ? AND text = ?`;
      for (const { channel = null, text = null } of over) this.#port.rows(remove, channel, text);
      isMore ||= over.length === limit;
    }
    return isMore;
  }
}
