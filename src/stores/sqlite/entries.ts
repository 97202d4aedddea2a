import type { Entry } from "../../model/log.ts";
import type { ChannelRow } from "./channel-row.ts";
import type { SqlPort, SqlRow } from "./database.ts";
import {
  type Added,
  type EntryMark,
  type EntryStore,
  id,
  type NewEntry,
  span,
  spans,
} from "./entry-store.ts";

/** The table of {@linkcode Entries}. */
// `id` is the id of the channel and the low 32 bits of the offset, so that one tree serves the ranges of all channels.
export const entriesTable = `CREATE TABLE tocsin_entries (
    id INTEGER PRIMARY KEY, start INTEGER NOT NULL, arrived INTEGER NOT NULL, time INTEGER NOT NULL,
    data TEXT NOT NULL, tags TEXT
  )`;

const columns = "id, start, arrived, time, data, tags";
const insert = `INSERT INTO tocsin_entries (${columns}) VALUES (${id}, ?, ?, ?, ?, ?)`;
const inRange = `FROM tocsin_entries WHERE id BETWEEN ${id} AND ${id}`;
const select = `SELECT data, time, tags ${inRange} ORDER BY id`;
const removeRange = `DELETE ${inRange}`;
const selectMark = `SELECT start, arrived FROM tocsin_entries WHERE id = ${id}`;
const selectCost = "SELECT sum(total - base + (top + 1 - first) * ?) AS cost FROM tocsin_channels";

/** A table with a row for each entry. */
export class Entries implements EntryStore {
  readonly #port: SqlPort;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  canHold(): boolean {
    return true;
  }

  add({ id: channel, total }: ChannelRow, entries: readonly NewEntry[]): Added {
    let start = total;
    for (const { bytes } of entries) start -= bytes;
    for (const { offset, data, time, tags, arrived, bytes } of entries) {
      const text = tags === undefined ? null : JSON.stringify(tags);
      this.#port.rows(insert, channel, offset % span, start, arrived, time, data, text);
      start += bytes;
    }
    return { isFound: false };
  }

  read(channel: number, from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    for (const [low, high] of spans(from, to)) {
      const rows = this.#port.rows(select, channel, low % span, channel, high % span);
      for (let at = 0; at < rows.length; at++) entries.push(entryOf(rows[at] as SqlRow, low + at));
    }
    return entries;
  }

  marks(channel: number): (offset: number) => EntryMark | undefined {
    return (offset) => {
      const row = this.#port.rows(selectMark, channel, offset % span)[0];
      return row && { start: Number(row.start), arrived: Number(row.arrived) };
    };
  }

  remove(channel: number, from: number, to: number): void {
    for (const [low, high] of spans(from, to))
      this.#port.rows(removeRange, channel, low % span, channel, high % span);
  }

  complete(row: ChannelRow): ChannelRow {
    return row;
  }

  cost(each: number): number {
    return Number(this.#port.rows(selectCost, each)[0]?.cost ?? 0);
  }
}

function entryOf({ data, time, tags }: SqlRow, offset: number): Entry {
  const described = tags === null ? undefined : (JSON.parse(tags as string) as Entry["tags"]);
  return { offset, data: data as string, time: time as number, tags: described };
}
