import type { Hub } from "./hub.ts";
import type { Entry, Position, Slice } from "./log.ts";

/** How often it is looked again where a log trims what was about to be read. */
const attempts = 3;

/** What is asked for, newest first. */
export interface Backwards {
  /** Only what comes before it. Default: from the newest. */
  before: Position | undefined;
  /** Publications at most. */
  limit: number;
  signal: AbortSignal;
}

/**
 * Reads a channel's newest publications, or those before a place, newest first. It reads no others: offsets rise by one,
 * and so say where to begin.
 */
export async function readBackwards(hub: Hub, channel: string, asked: Backwards): Promise<Slice> {
  const { before, limit, signal } = asked;
  for (let attempt = 1; ; attempt++) {
    const place = await hub.log.read(channel, { limit: 0, signal });
    const end = before === undefined ? place.top : Math.min(place.top, before.offset - 1);
    const start = Math.max(0, place.first - 1, end - limit);
    const entries: Entry[] = [];
    let isWhole = true;
    for (let offset = start; offset < end && isWhole; offset = start + entries.length) {
      const after = { offset, epoch: place.epoch };
      const slice = await hub.log.read(channel, { after, limit: end - offset, signal });
      isWhole = slice.gapless && slice.entries.length > 0;
      entries.push(...slice.entries);
    }
    if (isWhole || attempt === attempts)
      return { ...place, gapless: isWhole, entries: isWhole ? entries.reverse() : [] };
  }
}
