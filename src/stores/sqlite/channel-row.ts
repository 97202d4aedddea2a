import { entryCost, type Position, type Retention } from "../../model/log.ts";
import { epochIn } from "./epochs.ts";

/** What rarely changes of a channel. */
export interface Traits {
  readonly epoch: string;
  /** The stamp of the database when the epoch was found valid. Another stamp ends the epoch. */
  readonly stamp: string;
  readonly lineage: readonly Position[];
  /** The retention that an append has set. What is left out has the log's default, which may differ after a restart. */
  readonly given: Partial<Retention>;
  readonly state: string | undefined;
  readonly sealed: boolean;
}

/** Entries that are in one row of the database, to which others may be added. */
export interface OpenChunk {
  /** The offset of the first. */
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
}

/** A channel as the database has it. */
export interface ChannelRow {
  /** 0: the database does not have it. */
  readonly id: number;
  readonly traits: Traits;
  readonly retention: Retention;
  readonly top: number;
  readonly first: number;
  /** The offset of the oldest entry that is still in the table. Those before `first` are removed many at a time. */
  readonly floor: number;
  /** Bytes of all entries of the epoch, and of those before `first`. */
  readonly total: number;
  readonly base: number;
  /** When the oldest entry was appended that is kept, and when the newest was, on the wall clock. It never goes back. */
  readonly since: number;
  readonly used: number;
  /** When something of the channel may be over. It is looked at then, although nobody uses it. */
  readonly due: number;
  /** At most `since`. Null: no entry may be kept. The channel with the lowest has the oldest entry, or is corrected. */
  readonly oldest: number | null;
  /** The newest entries, where the table of entries can add others to them. It is not a column. */
  readonly open?: OpenChunk | undefined;
}

/** Later than any time of a clock. */
export const never = 9e15;
/** Milliseconds for which a channel without entries keeps its positions. */
const positionTtl = 86_400_000;
/** Channels are forgotten at full hours, so that there are few moments when the epoch of unknown channels changes. */
const hour = 3_600_000;
/** Milliseconds for which an entry over the bounds is young, and is kept while there is slack. */
export const youth = 10_000;

/** How many epochs a channel remembers that it continues. */
export const maxLineage = 8;

/** Whether no entry is kept. */
export function isEmpty({ first, top }: ChannelRow): boolean {
  return first > top;
}

/** Returns what the entries that are kept count in all. */
export function costOf({ total, base, first, top }: ChannelRow): number {
  return total - base + (top + 1 - first) * entryCost;
}

/** Whether more is kept than `size` and `bytes` say. */
export function isOver({ top, first, total, base, retention: { size, bytes } }: ChannelRow): boolean {
  return top + 1 - first > size || total - base > bytes;
}

/**
 * Returns from when on the `ttl` of an entry counts that was appended at a time. All entries of a sealed channel are kept
 * and trimmed together with its last.
 */
export function bornAt({ traits, used }: ChannelRow, arrived: number): number {
  return traits.sealed ? used : arrived;
}

/** Returns when something of the channel is over. */
export function nextDue(row: ChannelRow): number {
  if (isEmpty(row)) return forgottenAt(row);
  const expires = bornAt(row, row.since) + row.retention.ttl;
  return Math.min(expires, isOver(row) ? row.since + youth : Infinity, never);
}

/**
 * Returns when a channel is to be looked at next. At least once a day: after a restart, the options may say something
 * else about it.
 */
export function dueAfter(row: ChannelRow, now: number, pause: number): number {
  return Math.min(Math.max(nextDue(row), now + pause), now + positionTtl);
}

/** Returns when the positions of a channel without entries may be forgotten. */
export function forgottenAt({ used }: ChannelRow): number {
  return Math.ceil((used + positionTtl) / hour) * hour;
}

/**
 * Returns the lineage of an epoch that continues another up to `offset`. All of the older one is in the newer, and so
 * is what the older one continued.
 */
export function continuing(lineage: readonly Position[], epoch: string, offset: number): readonly Position[] {
  return [{ offset, epoch }, ...lineage].slice(0, maxLineage);
}

/**
 * Returns the channel in the database of another stamp: restored from a copy, or after a stop that may have lost what
 * was written last. Its epoch is over, because offsets above `top` may have been given out in it. The stamp is the next
 * epoch. A channel takes each stamp once at most, so that this may be done again whenever the row is read.
 */
export function stamped(name: string, row: ChannelRow, stamp: string): ChannelRow {
  const { traits, top } = row;
  if (traits.stamp === stamp) return row;
  const lineage = continuing(traits.lineage, traits.epoch, top);
  return { ...row, traits: { ...traits, epoch: epochIn(stamp, name), stamp, lineage } };
}
