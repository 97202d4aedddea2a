import type { Entry, Position, Slice } from "../../model/log.ts";
import type { LogReader } from "./log-reader.ts";

/** Part of a channel that is read until it fills a reply. */
export interface Page {
  /** Read only what follows this position. Default: all that is kept. */
  after: Position | undefined;
  /** Maximum number of publications. */
  limit: number;
  /** Characters of payloads that fill a reply. Nothing more is read once they are reached. */
  enough: number;
  signal: AbortSignal;
}

/** Number of publications in the first read, when their size is not known yet. */
const firstPart = 16;

/** Returns how many publications to read next, from the average length of those read so far. */
export function nextPart(entries: number, chars: number, enough: number): number {
  return entries === 0 ? firstPart : Math.ceil(((enough - chars) * entries) / Math.max(1, chars));
}

export function charsOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}

/**
 * Reads a channel from a position on, in parts, and no more than a reply holds. Otherwise a thousand publications of
 * 256 KiB might be read for the one that fits.
 */
export async function readPage(log: LogReader, channel: string, page: Page): Promise<Slice> {
  const { limit, enough, signal } = page;
  let { after } = page;
  let first: Slice | undefined;
  const entries: Entry[] = [];
  let chars = 0;
  for (;;) {
    const part = Math.min(limit - entries.length, nextPart(entries.length, chars, enough));
    const slice = await log.read(channel, { after, limit: part, signal });
    // Keep the first slice. If the log trims meanwhile, the client is told when it asks for what follows.
    first ??= slice;
    entries.push(...slice.entries);
    chars += charsOf(slice.entries);
    const last = entries.at(-1);
    const isOver = slice.entries.length === 0 || last === undefined || last.offset >= first.top;
    if (isOver || entries.length >= limit || chars >= enough) return { ...first, entries };
    after = { offset: last.offset, epoch: first.epoch };
  }
}
