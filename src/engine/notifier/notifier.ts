import type { Pending } from "../../base/scope.ts";
import type { EventInput, EventOutput, EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Peer } from "../../model/peer.ts";
import type { History, Publication } from "../../model/publication.ts";
import type { Receipt } from "../../model/receipt.ts";
import type { Refused } from "../../model/refused.ts";
import type { Run, RunOptions, Task } from "../../model/run.ts";
import type { Session, Socket } from "../../model/socket.ts";
import type { RunOutput, TaskEvent } from "../../model/vocabulary.ts";
import type { CloseOptions, CloseReport } from "../hub/close.ts";
import type { FollowOptions } from "../hub/follow.ts";
import type { Presence } from "../hub/presence.ts";
import type { Stats } from "../hub/stats.ts";
import type { Totals } from "../hub/totals.ts";
import type { HistoryOptions } from "./history.ts";
import type { PublishOptions } from "./publisher.ts";

export type { Receipt } from "../../model/receipt.ts";
export type { CloseReport, CutSession } from "../hub/close.ts";
export type { HistoryOptions } from "./history.ts";
export type { PublishOptions } from "./publisher.ts";

/** The hub: publishes, runs, follows, and accepts sessions, until it is closed. */
export interface Notifier<Schemas extends EventSchemas = EventSchemas> extends AsyncDisposable {
  // Readonly has notifiers compared member by member: by their schemas alone, one with some would not do for one without.
  /** The schemas of its events, where it was given any. */
  readonly events?: Readonly<Schemas> | undefined;
  /**
   * Writes a publication into a channel's log; whoever is subscribed gets it from there.
   *
   * While the log fails it tries again; a confirmed one waits while `limits.confirmed` others do. Rejects with a TypeError
   * for what its schema refuses, a value that JSON would change or lose or a bad channel name, a RangeError above
   * `limits.publication`, tags included, or for a bad `ttl`, a `BusyError` where `limits.waiting` bytes wait already, a
   * lasting `LogError` where the log says that trying again is of no use, the reason of `signal`, or a `ClosedError` after
   * closing began. None but the first two have to be heard: a publication that nobody awaits does not end the process, and
   * `onError` hears of the log and of the first `BusyError`.
   */
  publish(channel: string, data: EventInput<Schemas>, options?: PublishOptions): Promise<Receipt>;
  /**
   * Starts a piece of work. Throws a TypeError for a bad name, or a bad or taken id, and a `ClosedError` after closing began.
   *
   * An id may be used again once its run is forgotten (`limits.runTtl`): its channel then begins anew, with nothing of the
   * old run in it. Whoever has a position of the old run gets a `GapError`.
   */
  run<R>(task: Task<R, TaskEvent<Schemas>>, options?: RunOptions): Run<R>;
  /**
   * Yields a channel's publications, those after `after` first, then live. `{ offset: 0, epoch: "" }` is the start.
   *
   * Throws a `GapError` where that would leave a hole, the reason of `signal`, the log's own error, or a `ClosedError` when
   * the notifier closed; a TypeError or RangeError at once for what is no position. `return()` ends a `next()` that waits.
   */
  follow(
    channel: `run:${string}`,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<RunOutput<Schemas>>, void, void>;
  /** The same of a channel that is no run's. */
  follow(
    channel: string,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<EventOutput<Schemas>>, void, void>;
  /**
   * Reads what is kept of a channel. Rejects with a `GapError` when what follows `after` is no longer whole, with the log's own
   * error, and with a TypeError or RangeError for what is no position or no limit.
   */
  history(channel: `run:${string}`, options?: HistoryOptions): Promise<History<RunOutput<Schemas>>>;
  /** The same of a channel that is no run's. */
  history(channel: string, options?: HistoryOptions): Promise<History<EventOutput<Schemas>>>;
  /** Tells who is on a channel now. */
  presence(channel: string): Promise<Presence>;
  /** Takes a connected socket for a peer: for servers other than Hono, and for tests. */
  accept(socket: Socket, peer: Peer): Session;
  /** Says whether a user may have one more session, handshakes included; where not, it counts as a limit hit. */
  admits(user: string): boolean;
  /** The largest message that a peer may send, in bytes: `limits.message`. Hosts read no larger one. */
  readonly maxMessage: number;
  /** Like it, and keeps the place until what it answers is called, right before `accept`, or for `limits.connect`. */
  reserve(user: string): (() => void) | "sessions" | "userSessions";
  /** Runs that work, and those that ended less than `limits.runTtl` ago, as far as `limits.endedBytes` allows. */
  readonly runs: { get(id: string): Run<unknown> | undefined; list(): Run<unknown>[] };
  /**
   * Closes sessions at once, with code 3503 (do not come back) unless said otherwise. What is queued is not sent. Whoever
   * is just being let in is not there yet: take the permission away first. It is done by the time that this returns. Rejects
   * with a TypeError for whom nobody can be, and a RangeError for a code that is not from 3000 to 4999.
   */
  disconnect(who: { user: string } | { session: string }, code?: number): Promise<void>;
  /** Ends a user's subscriptions to a channel at once: what is on its way to the socket does not leave any more. */
  unsubscribe(user: string, channel: string): Promise<void>;
  /** Counts what it owns now; all zero when it is quiet. */
  stats(): Stats;
  /** What it holds in bytes, and what has happened since it began: sessions, errors, limits hit. */
  totals(): Totals;
  /** Every socket, task, wait, timer and confirmed publication owned now. */
  inspect(): Pending[];
  /** Tells the notifier's `onError`; for hosts and adapters, whose errors nobody's promise carries either. */
  report(error: unknown, context: ErrorContext): void;
  /** Counts somebody who is not let in, and tells `onRefused`; for hosts and adapters. */
  refused(refused: Refused): void;
  /** Aborts when closing begins. */
  readonly closing: AbortSignal;
  /**
   * Closes: refuses what is new, cancels runs, flushes every session and proves it, cuts what is left, closes the log.
   *
   * It settles within the grace, or when `signal` aborts, whichever is first, and never rejects. However often and from
   * wherever it is called, it is one promise, and the earliest deadline that anybody gave is the one that holds.
   * Throws a RangeError, and closes nothing, when `grace` is no number from 0 up.
   */
  close(options?: CloseOptions): Promise<CloseReport>;
  /** Settles when the notifier has closed; stays pending while nothing closes it. */
  readonly closed: Promise<CloseReport>;
}
