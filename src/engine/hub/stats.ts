import type { Pending, PendingKind } from "../../base/scope.ts";
import type { Hub } from "./hub.ts";

/** How much a notifier owns now; all zero when it is quiet. */
export interface Stats {
  /** Peers that are connected. */
  sessions: number;
  /** Subscriptions of all of them. */
  subscriptions: number;
  /** Channels that somebody is on. */
  channels: number;
  /** Runs that work. */
  runs: number;
  /** Publications on their way into the log. */
  publishing: number;
  /** Confirmed publications that wait to be delivered, with those on their way into the log, and their bytes. */
  confirmed: number;
  /** Their bytes. */
  confirmedBytes: number;
  /** Handlers of yours that are under way, and other work of its own. */
  tasks: number;
  /** Calls that wait for something. */
  waits: number;
  /** Timers that are armed. */
  timers: number;
}

/** Counts what a notifier owns. */
export function statsOf({ sessions, channels, runs, appends, ledger, scope }: Hub): Stats {
  ledger.expire();
  const count = (kind: PendingKind): number => scope.count(kind) + appends.count(kind);
  let subscriptions = 0;
  for (const session of sessions) subscriptions += session.subscriptions.size;
  return {
    sessions: sessions.size,
    subscriptions,
    channels: channels.size,
    runs: runs.working.length,
    publishing: appends.size,
    confirmed: ledger.taken.confirmed,
    confirmedBytes: ledger.taken.bytes,
    tasks: count("task"),
    waits: count("wait"),
    timers: count("timer"),
  };
}

/** Lists what a notifier owns. */
export function pendingOf({ sessions, clock, scope, appends, ledger }: Hub): Pending[] {
  const now = clock.now();
  const sockets = Array.from(sessions, ({ id, since }): Pending => {
    return { kind: "socket", owner: `session ${id}`, age: now - since };
  });
  return [...sockets, ...scope.inspect(), ...appends.inspect(), ...ledger.inspect()];
}
