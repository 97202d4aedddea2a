import type { Entry, Position, Slice } from "../../model/log.ts";
import type { LogReader } from "./log-reader.ts";
import { charsOf, nextPart } from "./read-page.ts";

/** Number of attempts if the log trims what is about to be read. */
const attempts = 3;

/** What to read, newest first. */
export interface Backwards {
  /** Read only what comes before this position. Default: from the newest. */
  before: Position | undefined;
  /** Maximum number of publications. */
  limit: number;
  /** Characters of payloads that fill a reply. Nothing more is read once they are reached. */
  enough: number;
  signal: AbortSignal;
}

/**
 * Reads a channel's newest publications, or the newest before a position, newest first. It reads no others: offsets
 * rise by one, so the offset to begin at can be computed.
 */
export async function readBackwards(log: LogReader, channel: string, asked: Backwards): Promise<Slice> {
  const { before, limit, enough, signal } = asked;
  for (let attempt = 1; ; attempt++) {
    const place = await log.read(channel, { limit: 0, signal });
    let end = before === undefined ? place.top : Math.min(place.top, before.offset - 1);
    const lowest = Math.max(0, place.first - 1, end - limit);
    const entries: Entry[] = [];
    let chars = 0;
    let isWhole = true;
    while (end > lowest && chars < enough && isWhole) {
      const start = Math.max(lowest, end - nextPart(entries.length, chars, enough));
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

/**
 * Reads the entries after offset `start`, up to offset `end`. Returns undefined if the log trims some of them
 * meanwhile.
 */
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
