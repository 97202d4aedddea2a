import { handled } from "../../base/maybe-promise.ts";
import type { Undelivered } from "../../model/receipt.ts";
import type { RunsReport } from "../../model/run.ts";
import type { LiveRun } from "../runs/live-run.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Hub } from "./hub.ts";

/** Options of `close()`. */
export interface CloseOptions {
  /** Ends the grace when it aborts: what is left is cut at once, and `close` resolves. */
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds that closing may take, from when it began. Default: the notifier's `grace`. A longer one has no
   * effect.
   */
  grace?: number | undefined;
}

/** A session that was cut, or ended by itself, before everything was proven read. */
export interface CutSession {
  /** The session's id. */
  session: string;
  /** Its user. "" for an anonymous client. */
  user: string;
  /**
   * For each subscribed channel, the offset that is proven read, and the channel's top. The publications between them
   * are not proven delivered. Up to one window of them may have arrived all the same, because what was in flight is
   * unknown.
   */
  channels: Record<string, { read: number; top: number }>;
}

/** The result of closing. */
export interface CloseReport {
  /** How the runs ended that were working. */
  runs: RunsReport;
  /**
   * The number of sessions that were closed after everything was proven read, and the number of sessions that were cut
   * or ended before.
   */
  sessions: { closed: number; cut: number };
  /** The sessions that were cut or ended before, with what is not proven to have reached them. */
  cut: CutSession[];
  /** The confirmed publications that were given up since closing began, in that order. */
  undelivered: Undelivered[];
  /**
   * The number of confirmed publications that were given up since the notifier was created. It includes those in
   * `undelivered`.
   */
  givenUp: number;
  /**
   * The number of confirmed publications that still wait for their delivery. The log keeps them, and the next process
   * that works with it goes on with them. 0 for a log that does not outlive the process.
   */
  waiting: number;
  /** How long closing took, in milliseconds. */
  milliseconds: number;
}

/** Returns the report of a notifier that had nothing to close. */
export function emptyReport(): CloseReport {
  return {
    runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
    sessions: { closed: 0, cut: 0 },
    cut: [],
    undelivered: [],
    givenUp: 0,
    waiting: 0,
    milliseconds: 0,
  };
}

/** Merges the reports of several notifiers into one. A single report is returned unchanged. */
export function mergedReport(reports: readonly CloseReport[]): CloseReport {
  const [first] = reports;
  if (first !== undefined && reports.length === 1) return first;
  const merged = emptyReport();
  for (const { runs, sessions, cut, undelivered, givenUp, waiting, milliseconds } of reports) {
    for (const kind of ["completed", "failed", "cancelled", "abandoned"] as const)
      merged.runs[kind].push(...runs[kind]);
    merged.sessions.closed += sessions.closed;
    merged.sessions.cut += sessions.cut;
    merged.cut.push(...cut);
    merged.undelivered.push(...undelivered);
    merged.givenUp += givenUp;
    merged.waiting += waiting;
    merged.milliseconds = Math.max(merged.milliseconds, milliseconds);
  }
  return merged;
}

/** The deadlines of the phases of closing. */
export interface Deadlines {
  /** Aborts at half of the grace, which is the share of the runs. */
  readonly half: AbortSignal;
  /** Aborts at three quarters of the grace. By then all appends in progress must have ended. */
  readonly late: AbortSignal;
  /** Aborts when the grace ends. */
  readonly over: AbortSignal;
}

/**
 * Runs the phases of closing: ends the runs, flushes the sessions, cuts those that are left, and closes the log.
 *
 * `cause` is why the notifier closes. It never rejects, and never waits for a handler.
 */
export async function closePhases(hub: Hub, deadlines: Deadlines, cause: unknown): Promise<CloseReport> {
  const began = hub.clock.now();
  hub.ledger.close();
  const silences = new Map(Array.from(hub.sessions, (session) => [session, session.silence]));
  const working = hub.runs.working;
  // Until half of the grace, appends still wait for slow subscribers, so that those that read receive the last
  // publications.
  const unlink = hub.scope.link(deadlines.half, () => hub.appends.hasten());
  await endRuns(hub, working, deadlines, cause);
  hub.elsewhere.leave();
  // What is in the log now is all that is delivered. Any other publication rejects.
  await hub.settled("publications under way", deadlines.late, hub.appends.idle());
  unlink();
  hub.appends.end();
  const runs = reportOf(working);
  const { sessions, cut } = await flushSessions(hub, deadlines, silences);
  const { undelivered, givenUp, waiting } = hub.ledger.end();
  // What was confirmed last is released in the log, too.
  hub.appends.commits?.run();
  await hub.settled("tell the other nodes", deadlines.over, hub.nodes.flush());
  await hub.settled("leave the log", deadlines.over, hub.inheritance.end());
  await hub.settled("close the log", deadlines.over, hub.log.close());
  const milliseconds = Math.round(hub.clock.now() - began);
  return { runs, sessions, cut, undelivered, givenUp, waiting, milliseconds };
}

async function endRuns(
  hub: Hub,
  runs: readonly LiveRun[],
  { half, late }: Deadlines,
  cause: unknown,
): Promise<void> {
  for (const run of runs) run.cancelBy("shutdown", undefined, cause);
  await hub.settled("runs to end", half, Promise.all(runs.map((run) => run.ended())));
  // The remaining runs ignore their signal. Their endings are written for them.
  await hub.settled("runs to be given up", late, Promise.all(runs.map((run) => run.abandon())));
  // Endings of other runs may be on their way into the log, too.
  await hub.settled("endings of runs", late, Promise.all(hub.runs.unsettled.map((run) => run.ended())));
}

function reportOf(runs: readonly LiveRun[]): RunsReport {
  const report = emptyReport().runs;
  for (const { ending, id } of runs) report[ending].push(id);
  return report;
}

async function flushSessions(
  hub: Hub,
  { late, over }: Deadlines,
  silences: ReadonlyMap<LiveSession, number>,
): Promise<Pick<CloseReport, "sessions" | "cut">> {
  const before = [...hub.sessions];
  const tops = readTops(hub, over);
  const cut = new Map<LiveSession, CutSession>();
  let isOver = false;
  // A session that ends by itself before everything was proven read is reported as cut.
  hub.onSessionLeave = (session) => {
    if (isOver || !isProven(session)) cut.set(session, cutSessionOf(session));
  };
  // Sessions that are already being closed for another reason do not count as having read everything.
  const wereOpen = new Set(before.filter(({ isOpen }) => isOpen));
  hub.flushing = true;
  hub.awaitsAcknowledgements = true;
  for (const channel of hub.channels.values()) channel.refresh();
  const settleAll = (): void => {
    for (const session of [...hub.sessions]) session.settle();
  };
  settleAll();
  // Until then clients that acknowledge have time to acknowledge what they have read.
  const unlink = hub.scope.link(late, () => {
    hub.awaitsAcknowledgements = false;
    settleAll();
  });
  await hub.settled("sessions to end", over, allEnded(hub, over, silences));
  await tops.read;
  unlink();
  isOver = true;
  for (const session of [...hub.sessions]) {
    session.cut();
    // A session that only waited for the answer to its close has given up its subscriptions before, so the hook above
    // did not add it.
    if (!cut.has(session)) cut.set(session, cutSessionOf(session));
  }
  hub.onSessionLeave = undefined;
  for (const session of before)
    if (!wereOpen.has(session) && !cut.has(session)) cut.set(session, cutSessionOf(session));
  for (const { channels } of cut.values()) {
    for (const [name, position] of Object.entries(channels))
      position.top = Math.max(position.top, tops.known.get(name) ?? 0);
  }
  return { sessions: { closed: before.length - cut.size, cut: cut.size }, cut: [...cut.values()] };
}

/**
 * Settles once all sessions have ended, except those that were silent for longer than the grace when closing began, and
 * still are. Waiting longer for them is useless.
 */
function allEnded(hub: Hub, over: AbortSignal, silences: ReadonlyMap<LiveSession, number>): Promise<void> {
  return hub.scope.wait<void>("sessions to end", over, ({ resolve }) => {
    const check = (): void => {
      for (const session of hub.sessions) {
        if (Math.min(silences.get(session) ?? 0, session.silence) < hub.grace) return;
      }
      resolve();
    };
    hub.onSessionEnd = check;
    check();
    return () => {
      hub.onSessionEnd = undefined;
    };
  });
}

/**
 * Reads the tops of the channels that have subscriptions. Nothing is published any more. But a channel whose
 * subscriptions are all behind has not read the end of its log. Until the log answers, the top that was loaded last is
 * used.
 */
function readTops(hub: Hub, over: AbortSignal): { known: Map<string, number>; read: Promise<void> } {
  const known = new Map<string, number>();
  const reads: Promise<unknown>[] = [];
  for (const { name, subscriptions, top } of hub.channels.values()) {
    if (subscriptions.size === 0) continue;
    known.set(name, top);
    const read = handled(
      () => hub.log.read(name, { limit: 0 }),
      (slice) => void known.set(name, slice.top),
      (error) => Promise.reject<void>(error),
    );
    if (read instanceof Promise) reads.push(read);
  }
  return { known, read: hub.settled("where channels end", over, Promise.all(reads)) };
}

/** Returns whether a session is proven to have read everything. */
function isProven({ subscriptions, window }: LiveSession): boolean {
  for (const subscription of subscriptions) {
    const { channel, cursor, proof } = subscription;
    if (!channel.isCaughtUp(subscription) || window.readOf(proof, cursor) < cursor) return false;
  }
  return true;
}

function cutSessionOf({ id, peer, window, subscriptions }: LiveSession): CutSession {
  const positions = Array.from(subscriptions, ({ channel, cursor, proof }) => {
    return [channel.name, { read: window.readOf(proof, cursor), top: Math.max(channel.top, cursor) }];
  });
  // A channel may be named `__proto__`, so the object is not built by assignments.
  return { session: id, user: peer.user, channels: Object.fromEntries(positions) };
}
