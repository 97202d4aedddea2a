import type { Entry } from "../../model/log.ts";
import type { SqlPort, SqlRow } from "./database.ts";

/** An entry that is written. */
export interface NewEntry extends Entry {
  /** Bytes of payload and tags. */
  readonly bytes: number;
  /** When it was appended, on the wall clock. */
  readonly arrived: number;
}

/** What trimming needs to know of an entry. */
export interface EntryMark {
  /** Bytes of all entries before it in its epoch, kept or not. */
  readonly start: number;
  /** When it was appended, on the wall clock. */
  readonly arrived: number;
}

/** Offsets with the same low 32 bits are never kept at the same time: there would be more than 4 billion between them. */
const span = 2 ** 32;
const id = "((? << 32) | ?)";
const columns = "id, start, arrived, time, data, tags";
const insert = `INSERT INTO tocsin_entries (${columns}) VALUES (${id}, ?, ?, ?, ?, ?)`;
const inRange = `FROM tocsin_entries WHERE id BETWEEN ${id} AND ${id}`;
const select = `SELECT data, time, tags ${inRange} ORDER BY id`;
const removeRange = `DELETE ${inRange}`;
const selectMark = `SELECT start, arrived FROM tocsin_entries WHERE id = ${id}`;

/** The table of entries. */
export class Entries {
  readonly #port: SqlPort;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  /** `start`: see {@linkcode EntryMark.start}. */
  add(channel: number, { offset, data, time, tags, arrived }: NewEntry, start: number): void {
    const text = tags === undefined ? null : JSON.stringify(tags);
    this.#port.rows(insert, channel, offset % span, start, arrived, time, data, text);
  }

  /** Returns the entries from offset `from` to `to`. */
  read(channel: number, from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    for (const [low, high] of spans(from, to)) {
      const rows = this.#port.rows(select, channel, low % span, channel, high % span);
      for (let at = 0; at < rows.length; at++) entries.push(entryOf(rows[at] as SqlRow, low + at));
    }
    return entries;
  }

  mark(channel: number, offset: number): EntryMark | undefined {
    const row = this.#port.rows(selectMark, channel, offset % span)[0];
    return row && { start: Number(row.start), arrived: Number(row.arrived) };
  }

  /** Removes the entries from offset `from` to `to`. */
  remove(channel: number, from: number, to: number): void {
    for (const [low, high] of spans(from, to))
      this.#port.rows(removeRange, channel, low % span, channel, high % span);
  }
}

function entryOf({ data, time, tags }: SqlRow, offset: number): Entry {
  const described = tags === null ? undefined : (JSON.parse(tags as string) as Entry["tags"]);
  return { offset, data: data as string, time: time as number, tags: described };
}

/** Cuts a range of offsets where their low 32 bits begin again at 0. */
function spans(from: number, to: number): (readonly [number, number])[] {
  if (from > to) return [];
  const end = (Math.floor(from / span) + 1) * span - 1;
  return to <= end ? [[from, to]] : [[from, end], ...spans(end + 1, to)];
}
