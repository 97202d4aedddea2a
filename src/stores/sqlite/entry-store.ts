import type { Entry } from "../../model/log.ts";
import type { ChannelRow, OpenChunk } from "./channel-row.ts";

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

/** What was written of a channel. */
export interface Added {
  readonly open?: OpenChunk | undefined;
  /** Whether `complete` finds them, so that the channel's row need not be written. */
  readonly isFound: boolean;
}

/** Where the entries of all channels are. */
export interface EntryStore {
  /** Whether it can hold a payload. */
  canHold(data: string): boolean;
  /** Writes the newest entries of a channel. Its row counts them already. */
  add(row: ChannelRow, entries: readonly NewEntry[]): Added;
  /** Returns the entries from offset `from` to `to`. */
  read(channel: number, from: number, to: number): Entry[];
  /** Returns a function that looks entries up by their offsets. It may be used until something is written. */
  marks(channel: number): (offset: number) => EntryMark | undefined;
  /** Removes the entries from offset `from` to `to`. Those before `from` are gone, or go as well. */
  remove(channel: number, from: number, to: number): void;
  /** Returns a row of the database with the entries that were added since it was written. */
  complete(row: ChannelRow): ChannelRow;
  /** Returns what the entries of all channels count, at `each` besides their bytes. */
  cost(each: number): number;
}

/** Offsets with the same low 32 bits are never kept at the same time: there would be more than 4 billion between them. */
export const span: number = 2 ** 32;
/** The id of what begins at an offset: that of the channel, and the low 32 bits of the offset. */
export const id = "((? << 32) | ?)";

/** Cuts a range of offsets where their low 32 bits begin again at 0. */
export function spans(from: number, to: number): (readonly [number, number])[] {
  if (from > to) return [];
  const end = (Math.floor(from / span) + 1) * span - 1;
  return to <= end ? [[from, to]] : [[from, end], ...spans(end + 1, to)];
}
