import type { Pending, PendingKind } from "../../base/scope.ts";
import type { Hub } from "./hub.ts";

/** The number of things that a notifier owns now. All are zero when it is quiet. */
export interface Stats {
  /** Sessions. */
  sessions: number;
  /** Subscriptions of all sessions. */
  subscriptions: number;
  /** Channels that are in use. */
  channels: number;
  /** Runs that work. */
  runs: number;
  /** Publications that are not in the log yet. */
  publishing: number;
  /** Confirmed publications that wait for their delivery, or are not in the log yet. */
  confirmed: number;
  /** Bytes of payload and tags of those. */
  confirmedBytes: number;
  /** Calls of your handlers that are in progress, and other background work. */
  tasks: number;
  /** Calls that wait for something. */
  waits: number;
  /** Timers that are set. */
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
export function pendingOf({ sessions, clock, scope, appends, records, ledger }: Hub): Pending[] {
  const now = clock.now();
  const sockets = Array.from(sessions, ({ id, since }): Pending => {
    return { kind: "socket", owner: `session ${id}`, age: now - since };
  });
  const { releasing, releasingSince } = records;
  const owner = `answers of the log about ${releasing} held records`;
  const held: Pending[] = releasing === 0 ? [] : [{ kind: "wait", owner, age: now - releasingSince }];
  return [...sockets, ...scope.inspect(), ...appends.inspect(), ...held, ...ledger.inspect()];
}
