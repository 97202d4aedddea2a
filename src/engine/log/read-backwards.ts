import type { Entry, Position, Slice } from "../../model/log.ts";
import type { LogReader } from "./log-reader.ts";
import { charsOf, nextPart } from "./read-page.ts";

/** How often it is looked again where a log trims what was about to be read. */
const attempts = 3;

/** What is asked for, newest first. */
export interface Backwards {
  /** Only what comes before it. Default: from the newest. */
  before: Position | undefined;
  /** Publications at most. */
  limit: number;
  /** Characters of payloads with which a reply is full: once they are there nothing more is read. */
  enough: number;
  signal: AbortSignal;
}

/**
 * Reads a channel's newest publications, or those before a place, newest first. It reads no others: offsets rise by one,
 * and so say where to begin.
 */
export async function readBackwards(log: LogReader, channel: string, asked: Backwards): Promise<Slice> {
  const { before, limit, enough, signal } = asked;
  for (let attempt = 1; ; attempt++) {
    const place = await log.read(channel, { limit: 0, signal });
    let end = before === undefined ? place.top : Math.min(place.top, before.offset - 1);
    const least = Math.max(0, place.first - 1, end - limit);
    const entries: Entry[] = [];
    let chars = 0;
    let isWhole = true;
    while (end > least && chars < enough && isWhole) {
      const start = Math.max(least, end - nextPart(entries.length, chars, enough));
      const part = await readBetween(log, channel, { start, end, epoch: place.epoch, signal });
      isWhole = part !== undefined;
      entries.push(...(part ?? []).reverse());
      chars += charsOf(part ?? []);
      end = start;
    }
    if (isWhole || attempt === attempts)
      return { ...place, gapless: isWhole, entries: isWhole ? entries : [] };
  }
}

/** Reads what comes after one offset up to another; undefined where the log trims it meanwhile. */
async function readBetween(
  log: LogReader,
  channel: string,
  { start, end, epoch, signal }: { start: number; end: number; epoch: string; signal: AbortSignal },
): Promise<Entry[] | undefined> {
  const entries: Entry[] = [];
  for (let offset = start; offset < end; offset = start + entries.length) {
    const slice = await log.read(channel, { after: { offset, epoch }, limit: end - offset, signal });
    if (!slice.gapless || slice.entries.length === 0) return undefined;
    entries.push(...slice.entries);
  }
  return entries;
}
