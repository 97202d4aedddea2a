import type { Pending } from "../../base/scope.ts";
import type { Hub } from "./hub.ts";

/** How a notifier's log is now. */
export interface LogTotals {
  /**
   * For how many milliseconds something has been failing. 0 while nothing does. An outage is over once the log has worked
   * again and nothing has failed for 10 s.
   */
  failing: {
    /** What is published, and what the notifier writes for itself. It is tried again. */
    appends: number;
    /** What is read, for clients and callers. */
    reads: number;
    /** Commands of clients that got no answer within `limits.answer`, or for which other nodes could not be asked. */
    answers: number;
  };
  /** Publications, and messages to other nodes, that are not in the log yet. */
  waiting: number;
  /** Bytes of those. */
  waitingBytes: number;
  /** Milliseconds since the oldest of those was made. 0 if there is none. */
  lag: number;
  /**
   * Whether this process may write to a log that outlives it: it is `"waiting"` for its place, has `"joined"`, or has
   * `"lost"` it and gets none again. `"none"` for a log that lives in the process, before the first use, and after closing.
   */
  place: "none" | "waiting" | "joined" | "lost";
  /** The id of this node among those that work with the log. Undefined where only one process works with it. */
  node?: string | undefined;
  /**
   * The number of nodes, this one included, as it was read last. A call that comes 10 s or more after that reads it again,
   * and returns what was known before. 0 until it was read, and where only one process works with the log.
   */
  nodes: number;
}

/** Returns how the log is. */
export function logTotalsOf(hub: Hub): LogTotals {
  const { appends, health, nodes, nodeCount } = hub;
  return {
    failing: { appends: health.age("appends"), reads: health.age("reads"), answers: health.age("answers") },
    waiting: appends.size,
    waitingBytes: appends.bytes,
    lag: lagOf(appends.inspect()),
    place: placeOf(hub),
    ...(nodes.id !== undefined && { node: nodes.id }),
    nodes: nodeCount.latest,
  };
}

function lagOf(owned: readonly Pending[]): number {
  return owned.reduce((lag, { kind, age }) => (kind === "wait" ? Math.max(lag, age) : lag), 0);
}

function placeOf({ health, records, scope, joining }: Hub): LogTotals["place"] {
  if (!records.isKept || scope.isOver) return "none";
  if (health.isLost) return "lost";
  if (records.isMember) return "joined";
  return joining === undefined ? "none" : "waiting";
}
