import type { Counted } from "../core/counters.ts";
import type { Hub } from "./hub.ts";

/** What a notifier holds in bytes, and what has happened since it began. */
export interface Totals extends Counted {
  /** Held now; all zero after closing. */
  bytes: {
    /** Characters of commands that wait. */
    commands: number;
    /** Bytes on their way to peers, not proven read. */
    windows: number;
    /** Encoded publications kept for sharing. */
    cache: number;
    /** What the log holds, where it says so: the one in memory does. */
    log: number;
    /** What is remembered of runs that have ended, beside their channels. */
    runs: number;
  };
}

/** Adds up what a notifier holds, and what it has counted. */
export function totalsOf({ sessions, settings, cache, log, runs, counters }: Hub): Totals {
  const bytes = { commands: 0, windows: 0, cache: cache.bytes, log: log.bytes, runs: runs.bytes };
  for (const session of sessions) {
    bytes.commands += Math.ceil(session.queue.chars);
    bytes.windows += settings.window - session.window.room;
  }
  return { bytes, ...counters.counts };
}
