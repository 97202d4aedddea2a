import { checkChannel } from "../../access/peer-check.ts";
import type { Position } from "../../model/log.ts";
import type { History } from "../../model/publication.ts";
import { checkAfter, checkLimit, isStart } from "../core/input-check.ts";
import { gapAfter, publicationOf } from "../core/publications.ts";
import type { Hub } from "../hub/hub.ts";

/** Options of `history()`. */
export interface HistoryOptions {
  /** Return only what follows this position. Default: everything in the log. */
  after?: Position | undefined;
  /** The maximum number of publications. Default: all. */
  limit?: number | undefined;
  /** Ends the wait when it aborts. The call rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** Returns the publications that the log keeps of a channel; see `Notifier.history`. */
export async function historyOf(
  hub: Hub,
  channel: string,
  { after, limit, signal }: HistoryOptions,
): Promise<History> {
  checkChannel(channel, hub.settings.limits.channel);
  const doing = `read the history of ${JSON.stringify(channel)}`;
  checkAfter(doing, after);
  checkLimit(doing, limit);
  const from = after !== undefined && isStart(after) ? undefined : after;
  const slice = await hub.log.read(channel, { after: from, limit, signal });
  if (after !== undefined && !slice.gapless) throw gapAfter(channel, after, slice);
  const { epoch, top: offset } = slice;
  return {
    channel,
    epoch,
    offset,
    publications: slice.entries.map((entry) => publicationOf(channel, epoch, entry)),
  };
}
