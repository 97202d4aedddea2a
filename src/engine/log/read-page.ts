import type { Entry, Position, Slice } from "../../model/log.ts";
import type { LogReader } from "./log-reader.ts";

/** Part of a channel, of which a reply holds only so much. */
export interface Page {
  /** Only what follows it. Default: all that is kept. */
  after: Position | undefined;
  /** Publications at most. */
  limit: number;
  /** Characters of payloads with which a reply is full: once they are there nothing more is read. */
  enough: number;
  signal: AbortSignal;
}

/** Publications that are read first, before anything is known of their size. */
const firstPart = 16;

/** How many publications are to be read next, where so many are there, of so many characters together. */
export function nextPart(entries: number, chars: number, enough: number): number {
  return entries === 0 ? firstPart : Math.ceil(((enough - chars) * entries) / Math.max(1, chars));
}

export function charsOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { data }) => sum + data.length, 0);
}

/**
 * Reads a channel from a place on, in parts, and no more than a reply holds: publications of 256 KiB would else be read by
 * the thousand for the one that fits.
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
    // What is trimmed meanwhile the client finds out when it asks for what follows.
    first ??= slice;
    entries.push(...slice.entries);
    chars += charsOf(slice.entries);
    const last = entries.at(-1);
    const isOver = slice.entries.length === 0 || last === undefined || last.offset >= first.top;
    if (isOver || entries.length >= limit || chars >= enough) return { ...first, entries };
    after = { offset: last.offset, epoch: first.epoch };
  }
}
