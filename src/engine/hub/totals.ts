import type { Counted } from "../core/counters.ts";
import type { Hub } from "./hub.ts";
import { type LogTotals, logTotalsOf } from "./log-totals.ts";

/** The bytes that a notifier holds, how its log is, and its counters since it was created. */
export interface Totals extends Counted {
  /** Held now. All are zero after closing. */
  bytes: {
    /** Characters of the waiting commands. */
    commands: number;
    /** Bytes in flight to clients: queued or sent, and not yet proven read. */
    windows: number;
    /** Encoded publications that are kept for sharing. */
    cache: number;
    /** Bytes that the log holds in this process, if the log reports them. The memory log does. */
    log: number;
    /** What is kept of ended runs besides their channels. */
    runs: number;
  };
  /** How the log is now. */
  log: LogTotals;
}

/** Adds up what a notifier holds, and adds its counters. */
export function totalsOf(hub: Hub): Totals {
  const { sessions, settings, cache, log, runs, counters } = hub;
  const bytes = { commands: 0, windows: 0, cache: cache.bytes, log: log.bytes, runs: runs.bytes };
  for (const session of sessions) {
    bytes.commands += Math.ceil(session.queue.chars);
    bytes.windows += settings.window - session.window.room;
  }
  return { bytes, log: logTotalsOf(hub), ...counters.counts };
}
