import { handled } from "../../base/maybe-promise.ts";
import type { Undelivered } from "../../model/receipt.ts";
import type { RunsReport } from "../../model/run.ts";
import type { LiveRun } from "../runs/live-run.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Hub } from "./hub.ts";

/** How a notifier is closed. */
export interface CloseOptions {
  /** Ends the grace when it aborts: what is left is cut at once, and `close` resolves. */
  signal?: AbortSignal | undefined;
  /** Milliseconds that closing may take, from when it began. Default: the notifier's own; a longer one changes nothing. */
  grace?: number | undefined;
}

/** A session that was cut, or went by itself, before everything was proven read. */
export interface CutSession {
  /** The session's id. */
  session: string;
  /** Its user; "" for nobody in particular. */
  user: string;
  /**
   * For each channel it followed, the offset proven read and the channel's top: what lies between was not proven
   * delivered. At most one window of it may have arrived all the same, since nobody can know what was under way.
   */
  channels: Record<string, { read: number; top: number }>;
}

/** What closing did. */
export interface CloseReport {
  /** What became of the runs that were working. */
  runs: RunsReport;
  /** How many sessions were closed with everything read, and how many were cut or went before. */
  sessions: { closed: number; cut: number };
  /** The latter, with what is not known to have reached them. */
  cut: CutSession[];
  /** Confirmed publications that were given up since closing began, in the order in which they were. */
  undelivered: Undelivered[];
  /** How many confirmed publications were given up since the notifier began, with those. */
  givenUp: number;
  /** How long it took, in milliseconds. */
  milliseconds: number;
}

/** The report of a notifier that had nothing to close. */
export function emptyReport(): CloseReport {
  return {
    runs: { completed: [], failed: [], cancelled: [], abandoned: [] },
    sessions: { closed: 0, cut: 0 },
    cut: [],
    undelivered: [],
    givenUp: 0,
    milliseconds: 0,
  };
}

/** One report of what closing several notifiers did. Of one it is that one's own. */
export function mergedReport(reports: readonly CloseReport[]): CloseReport {
  const [first] = reports;
  if (first !== undefined && reports.length === 1) return first;
  const merged = emptyReport();
  for (const { runs, sessions, cut, undelivered, givenUp, milliseconds } of reports) {
    for (const kind of ["completed", "failed", "cancelled", "abandoned"] as const)
      merged.runs[kind].push(...runs[kind]);
    merged.sessions.closed += sessions.closed;
    merged.sessions.cut += sessions.cut;
    merged.cut.push(...cut);
    merged.undelivered.push(...undelivered);
    merged.givenUp += givenUp;
    merged.milliseconds = Math.max(merged.milliseconds, milliseconds);
  }
  return merged;
}

/** When the phases of closing have to be over. */
export interface Deadlines {
  /** Aborts when runs have had their share of the grace: half of it. */
  readonly half: AbortSignal;
  /** Aborts when what is under way into the log has had its share as well: three quarters of it. */
  readonly late: AbortSignal;
  /** Aborts when the grace ends. */
  readonly over: AbortSignal;
}

/**
 * Goes through the phases of closing: runs end, sessions flush, what is left is cut, the log is closed.
 *
 * `cause` is why. It never rejects, and never waits for a handler.
 */
export async function closePhases(hub: Hub, deadlines: Deadlines, cause: unknown): Promise<CloseReport> {
  const began = hub.clock.now();
  hub.ledger.close();
  const silences = new Map(Array.from(hub.sessions, (session) => [session, session.silence]));
  const working = hub.runs.working;
  // Until then whoever reads gets all of what is published last.
  const unlink = hub.scope.link(deadlines.half, () => hub.appends.hasten());
  await endRuns(hub, working, deadlines, cause);
  // Whatever is in the log from here on is all there is to deliver; what is not, its publisher is told of.
  await hub.settled("publications under way", deadlines.late, hub.appends.idle());
  unlink();
  hub.appends.end();
  const runs = reportOf(working);
  const { sessions, cut } = await flushSessions(hub, deadlines, silences);
  const { undelivered, givenUp } = hub.ledger.end();
  await hub.settled("close the log", deadlines.over, hub.log.close());
  return { runs, sessions, cut, undelivered, givenUp, milliseconds: Math.round(hub.clock.now() - began) };
}

async function endRuns(
  hub: Hub,
  runs: readonly LiveRun[],
  { half, late }: Deadlines,
  cause: unknown,
): Promise<void> {
  for (const run of runs) run.cancelBy("shutdown", undefined, cause);
  await hub.settled("runs to end", half, Promise.all(runs.map((run) => run.ended())));
  // Those still there ignore their signal. Their endings are written for them.
  await hub.settled("runs to be given up", late, Promise.all(runs.map((run) => run.abandon())));
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
  // A session that ends by itself before all was proven read is reported like one that was cut.
  hub.onSessionLeave = (session) => {
    if (isOver || !isProven(session)) cut.set(session, whereItStands(session));
  };
  // Those that are just being closed for some other reason are none of those that have read everything.
  const wereOpen = new Set(before.filter(({ isOpen }) => isOpen));
  hub.flushing = true;
  hub.hearing = true;
  for (const channel of hub.channels.values()) channel.refresh();
  const settleAll = (): void => {
    for (const session of [...hub.sessions]) session.settle();
  };
  settleAll();
  // Clients that acknowledge have until then to acknowledge what they have read.
  const unlink = hub.scope.link(late, () => {
    hub.hearing = false;
    settleAll();
  });
  await hub.settled("sessions to end", over, allEnded(hub, over, silences));
  await tops.read;
  unlink();
  isOver = true;
  for (const session of [...hub.sessions]) {
    session.cut();
    // One that had read everything, and was only waited for to answer the close, has left before.
    if (!cut.has(session)) cut.set(session, whereItStands(session));
  }
  hub.onSessionLeave = undefined;
  for (const session of before)
    if (!wereOpen.has(session) && !cut.has(session)) cut.set(session, whereItStands(session));
  for (const { channels } of cut.values()) {
    for (const [name, place] of Object.entries(channels))
      place.top = Math.max(place.top, tops.known.get(name) ?? 0);
  }
  return { sessions: { closed: before.length - cut.size, cut: cut.size }, cut: [...cut.values()] };
}

/**
 * Settles once no session is left but those who had been silent for longer than the grace when closing began, and still
 * are: there is nothing to wait for that has not been waited for.
 */
function allEnded(hub: Hub, over: AbortSignal, silences: ReadonlyMap<LiveSession, number>): Promise<void> {
  return hub.scope.wait<void>("sessions to end", over, ({ resolve }) => {
    const look = (): void => {
      for (const session of hub.sessions) {
        if (Math.min(silences.get(session) ?? 0, session.silence) < hub.grace) return;
      }
      resolve();
    };
    hub.onSessionEnd = look;
    look();
    return () => {
      hub.onSessionEnd = undefined;
    };
  });
}

/**
 * Asks where the channels that somebody follows end: nothing is published any more, and a channel whose followers are
 * all behind has not looked. Until the log answers, what was loaded last counts.
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

/** Whether everything there is for a session is known to have been read. */
function isProven({ subscriptions, window }: LiveSession): boolean {
  for (const subscription of subscriptions) {
    const { channel, cursor, proof } = subscription;
    if (!channel.isCaughtUp(subscription) || window.readOf(proof, cursor) < cursor) return false;
  }
  return true;
}

function whereItStands({ id, peer, window, subscriptions }: LiveSession): CutSession {
  const places = Array.from(subscriptions, ({ channel, cursor, proof }) => {
    return [channel.name, { read: window.readOf(proof, cursor), top: Math.max(channel.top, cursor) }];
  });
  // A channel may be called __proto__, which an assignment would take for something else.
  return { session: id, user: peer.user, channels: Object.fromEntries(places) };
}
