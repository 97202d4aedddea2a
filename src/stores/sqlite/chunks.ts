import type { Entry } from "../../model/log.ts";
import type { ChannelRow, OpenChunk } from "./channel-row.ts";
import { decoded, encoded, marksIn } from "./chunk-text.ts";
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

/**
 * The table of {@linkcode Chunks}. `id` is that of the first entry, `start` counts the bytes before it, `bytes` those of
 * the chunk, and `arrived` is when the last entry was appended.
 */
export const chunksTable = `CREATE TABLE tocsin_chunks (
    id INTEGER PRIMARY KEY, count INTEGER NOT NULL, start INTEGER NOT NULL, bytes INTEGER NOT NULL,
    arrived INTEGER NOT NULL, head TEXT NOT NULL, data TEXT NOT NULL
  )`;

/** How many entries and bytes are added to a chunk that is there: each time, all of it is written. */
const small = { count: 64, bytes: 8_192 };
/** How many entries and bytes are written as one chunk. One entry may have more. */
const large = { count: 128, bytes: 32_768 };

const columns = "id, count, start, bytes, arrived, head, data";
const insert = `INSERT INTO tocsin_chunks (${columns}) VALUES (${id}, ?, ?, ?, ?, ?, ?)`;
const set = "count = count + ?, bytes = bytes + ?, arrived = ?, head = head || ?, data = data || ?";
const extend = `UPDATE tocsin_chunks SET ${set} WHERE id = ${id}`;
/** The id of the chunk with an entry. Chunks follow each other without a gap. */
const holding = `(SELECT max(id) FROM tocsin_chunks WHERE id BETWEEN (? << 32) AND ${id})`;
const inRange = `FROM tocsin_chunks WHERE id BETWEEN ${holding} AND ${id}`;
// An id is more than what a number of JavaScript can hold.
const low = "id & 4294967295";
const select = `SELECT ${low} AS low, head, data ${inRange} ORDER BY id`;
const removeRange = `DELETE ${inRange} AND (${low}) + count <= ?`;
const selectMarks = `SELECT ${low} AS low, start, head FROM tocsin_chunks WHERE id = ${holding}`;
const selectNewest = `SELECT ${low} AS low, count, start, bytes, arrived FROM tocsin_chunks WHERE id = ${holding}`;
const last = "(k.id & 4294967295) + k.count - 1 - (c.top & 4294967295)";
const selectCost = `
  SELECT sum(coalesce(k.start + k.bytes, c.total) - c.base + (c.top + coalesce(${last}, 0) + 1 - c.first) * ?) AS cost
  FROM tocsin_channels c LEFT JOIN tocsin_chunks k ON k.id = (
    SELECT max(id) FROM tocsin_chunks WHERE id BETWEEN (c.id << 32) AND ((c.id << 32) | (c.top & 4294967295))
  )`;

/**
 * A table with a row for many entries of a channel, for a platform that bills rows. Few entries are added to the newest
 * chunk. Then the channel's row is not written: its top is that of the newest chunk.
 */
export class Chunks implements EntryStore {
  readonly #port: SqlPort;

  constructor(port: SqlPort) {
    this.#port = port;
  }

  canHold(data: string): boolean {
    return !data.includes("\n");
  }

  add({ id: channel, total, open }: ChannelRow, entries: readonly NewEntry[]): Added {
    if (entries.length === 0) return { open, isFound: true };
    let start = total;
    for (const { bytes } of entries) start -= bytes;
    const extended = open && extension(open, entries);
    if (extended !== undefined) {
      this.#extend(channel, extended, entries);
      return { open: extended, isFound: true };
    }
    let added: OpenChunk | undefined;
    for (const chunk of cut(entries)) {
      added = { first: (chunk[0] as NewEntry).offset, count: chunk.length, bytes: bytesOf(chunk) };
      this.#insert(channel, added, start, chunk);
      start += added.bytes;
    }
    return { open: added, isFound: false };
  }

  #extend(channel: number, { first }: OpenChunk, entries: readonly NewEntry[]): void {
    const { head, data } = encoded(entries);
    const { arrived } = entries[entries.length - 1] as NewEntry;
    const added = [entries.length, bytesOf(entries), arrived, `,${head}`, `\n${data}`];
    this.#port.rows(extend, ...added, channel, first % span);
  }

  #insert(
    channel: number,
    { first, count, bytes }: OpenChunk,
    start: number,
    entries: readonly NewEntry[],
  ): void {
    const { head, data } = encoded(entries);
    const { arrived } = entries[entries.length - 1] as NewEntry;
    this.#port.rows(insert, channel, first % span, count, start, bytes, arrived, head, data);
  }

  read(channel: number, from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    for (const [begin, end] of spans(from, to)) {
      const range = [channel, channel, begin % span, channel, end % span];
      for (const { low, head, data } of this.#port.rows(select, ...range)) {
        const first = begin - (begin % span) + Number(low);
        for (const entry of decoded({ head: head as string, data: data as string }, first)) {
          if (entry.offset >= from && entry.offset <= to) entries.push(entry);
        }
      }
    }
    return entries;
  }

  marks(channel: number): (offset: number) => EntryMark | undefined {
    let first = 0;
    let marks: EntryMark[] = [];
    return (offset) => {
      if (!(offset >= first && offset < first + marks.length)) {
        const [row] = this.#port.rows(selectMarks, channel, channel, offset % span);
        if (row === undefined) return undefined;
        first = offset - (offset % span) + Number(row.low);
        marks = startsIn(row);
      }
      return marks[offset - first];
    };
  }

  remove(channel: number, from: number, to: number): void {
    for (const [begin, end] of spans(from, to)) {
      const range = [channel, channel, begin % span, channel, end % span];
      this.#port.rows(removeRange, ...range, (end % span) + 1);
    }
  }

  complete(row: ChannelRow): ChannelRow {
    const { id: channel, top } = row;
    const [newest] = this.#port.rows(selectNewest, channel, channel, top % span);
    if (newest === undefined) return row;
    const [first, count, bytes] = [
      top - (top % span) + Number(newest.low),
      Number(newest.count),
      Number(newest.bytes),
    ];
    const open = { first, count, bytes };
    const end = first + count - 1;
    if (end <= top) return end === top ? { ...row, open } : row;
    return { ...row, open, top: end, total: Number(newest.start) + bytes, used: Number(newest.arrived) };
  }

  cost(each: number): number {
    return Number(this.#port.rows(selectCost, each)[0]?.cost ?? 0);
  }
}

/** Returns the chunk with more entries, or undefined if it would have too many. */
function extension({ first, count, bytes }: OpenChunk, entries: readonly NewEntry[]): OpenChunk | undefined {
  const { offset } = entries[entries.length - 1] as NewEntry;
  const extended = { first, count: count + entries.length, bytes: bytes + bytesOf(entries) };
  const fits = extended.count <= small.count && extended.bytes <= small.bytes;
  return fits && offset % span > first % span ? extended : undefined;
}

/** Cuts entries into chunks. None has entries on both sides of a multiple of 2^32. */
function cut(entries: readonly NewEntry[]): NewEntry[][] {
  const chunks: NewEntry[][] = [];
  let chunk: NewEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const isFull = chunk.length === large.count || bytes + entry.bytes > large.bytes;
    if (chunk.length > 0 && (isFull || entry.offset % span === 0)) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(entry);
    bytes += entry.bytes;
  }
  return [...chunks, chunk];
}

function bytesOf(entries: readonly NewEntry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.bytes;
  return bytes;
}

function startsIn({ start, head }: SqlRow): EntryMark[] {
  let next = Number(start);
  return marksIn(head as string).map(([bytes, arrived]) => {
    const mark = { start: next, arrived };
    next += bytes;
    return mark;
  });
}
