import type { Pending } from "../../base/scope.ts";
import type { EventInput, EventOutput, EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Peer } from "../../model/peer.ts";
import type { History, Publication } from "../../model/publication.ts";
import type { Receipt } from "../../model/receipt.ts";
import type { Refused } from "../../model/refused.ts";
import type { Run, RunOptions, RunState, Task } from "../../model/run.ts";
import type { Session, SessionState, Socket } from "../../model/socket.ts";
import type { RunOutput, TaskEvent } from "../../model/vocabulary.ts";
import type { CloseOptions, CloseReport } from "../hub/close.ts";
import type { FollowOptions } from "../hub/follow.ts";
import type { Presence } from "../hub/presence.ts";
import type { RestoreOptions } from "../hub/restore-session.ts";
import type { Stats } from "../hub/stats.ts";
import type { Totals } from "../hub/totals.ts";
import type { HistoryOptions } from "./history.ts";
import type { PublishOptions } from "./publisher.ts";

export type { Receipt } from "../../model/receipt.ts";
export type { CloseReport, CutSession } from "../hub/close.ts";
export type { RestoreOptions } from "../hub/restore-session.ts";
export type { HistoryOptions } from "./history.ts";
export type { PublishOptions } from "./publisher.ts";

/** The hub. It publishes, runs, follows and accepts sessions until it is closed. */
export interface Notifier<Schemas extends EventSchemas = EventSchemas> extends AsyncDisposable {
  // `Readonly` makes TypeScript compare notifiers member by member. Compared by their schemas alone, a notifier with
  // schemas would not be assignable to one without.
  /** The schemas of its events, if it was given any. */
  readonly events?: Readonly<Schemas> | undefined;
  /**
   * Writes a publication to a channel's log, from which the subscribers receive it.
   *
   * While the log fails, the append is retried. A confirmed publication waits while `limits.confirmed` others wait for
   * their delivery.
   *
   * Rejects with
   *
   * - a TypeError for an event that its schema refuses, a value that JSON would change or lose, an invalid channel
   *   name, the channel of a run, invalid tags, or an invalid `idempotencyKey`;
   * - a RangeError for a publication above `limits.publication`, tags included, or for an invalid `ttl`;
   * - a `BusyError` if `limits.waiting` bytes already wait to be published;
   * - a lasting `LogError` if the log reports that retrying does not help;
   * - the reason of `signal`;
   * - a `ClosedError` after closing began.
   *
   * If they are unhandled, only the TypeError and the RangeError end the process, so a publication need not be awaited.
   * `onError` is also called with the errors of the log, and with the first `BusyError` of a series.
   */
  publish(channel: string, data: EventInput<Schemas>, options?: PublishOptions): Promise<Receipt>;
  /**
   * Starts a run. Throws a TypeError for a task that is not a function, an invalid option, or an id that is in use, and
   * a `ClosedError` after closing began.
   *
   * An id may be used again once its run is forgotten (`limits.runTtl`). If the log still keeps a run with that id, of an
   * earlier process or with a late ending, `result()` rejects with an `ExistsError`. Otherwise the channel starts over in a new epoch,
   * without the events of the old run. A read after a position of the old run throws a `GapError`.
   */
  run<R>(task: Task<R, TaskEvent<Schemas>>, options?: RunOptions): Run<R>;
  /**
   * Yields a channel's publications: first those after `after`, then new ones. `{ offset: 0, epoch: "" }` is the start
   * of the channel.
   *
   * Throws a `GapError` if there would be a gap, the reason of `signal`, the error of the log, or a `ClosedError` when
   * the notifier has closed. The call itself throws a TypeError or RangeError for an invalid channel or position.
   * `return()` ends a `next()` that waits.
   */
  follow(
    channel: `run:${string}`,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<RunOutput<Schemas>>, void, void>;
  /** Yields the publications of a channel that is not a run's. */
  follow(
    channel: string,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<EventOutput<Schemas>>, void, void>;
  /**
   * Returns the publications that the log keeps of a channel. Rejects with a `GapError` if there is a gap after
   * `after`, with the error of the log, and with a TypeError or RangeError for an invalid position or limit.
   */
  history(channel: `run:${string}`, options?: HistoryOptions): Promise<History<RunOutput<Schemas>>>;
  /** Returns the publications of a channel that is not a run's. */
  history(channel: string, options?: HistoryOptions): Promise<History<EventOutput<Schemas>>>;
  /** Returns the clients that are subscribed to a channel now. */
  presence(channel: string): Promise<Presence>;
  /**
   * Accepts a connected socket for a peer, and returns its session. For servers other than Hono, and for tests. Throws
   * a TypeError for an invalid peer.
   */
  accept(socket: Socket, peer: Peer): Session;
  /**
   * Hands a message to the session whose socket has this `secret`. If it is not here, the message goes to the other node
   * that is named, over the log that both share. For hosts whose clients send by requests of their own, in any order:
   * messages are handled in the order of their commands' ids, as far as they come within a second of each other.
   *
   * Resolves with false if there is no such session, or no such node. A node that does not answer within a second gets
   * the message later. Rejects with the error of the log, and with a `ClosedError` if the notifier closes first.
   */
  post(secret: string, data: string, node?: string): Promise<boolean>;
  /**
   * Takes back a session whose memory is gone, and whose socket is still open: with the same id, its subscriptions, and
   * what it has in flight. It is not announced again, and no limit refuses it. For hosts that hibernate.
   *
   * Throws a TypeError for a state that this version cannot read, and a `ClosedError` after closing began.
   */
  restore(socket: Socket, state: SessionState, options?: RestoreOptions): Session;
  /**
   * Cancels timers whose reason is gone, and returns whether everything else that is in progress could be restored: no
   * run, command, handler, publication, read or wait is under way. For hosts that hibernate.
   */
  rest(): boolean;
  /**
   * Returns whether a user may have one more session. Handshakes in progress count. If the result is false, the limit
   * counts as hit.
   */
  admits(user: string): boolean;
  /** The maximum size of a message from a peer, in bytes: `limits.message`. Hosts do not read a larger one. */
  readonly maxMessage: number;
  /** The WebSocket subprotocols that it speaks, for hosts. The first is also spoken where none was agreed on. */
  readonly subprotocols: readonly string[];
  /**
   * Reserves a session for a user, under the same rules as `admits`. Returns a function that releases it: call it right
   * before `accept`. Otherwise the reservation ends after `limits.connect`. If a limit is reached, returns the name of
   * the limit.
   */
  reserve(user: string): (() => void) | "sessions" | "userSessions";
  /**
   * `get` and `list` have the runs of this process: those that work, and those that ended less than `limits.runTtl` ago,
   * as far as `limits.endedBytes` allows. `find` asks the log, which may also know runs of earlier processes. It rejects
   * with the error of the log.
   */
  readonly runs: {
    get(id: string): Run<unknown> | undefined;
    list(): Run<unknown>[];
    find(id: string): Promise<RunState | undefined>;
  };
  /**
   * Closes sessions at once, by default with code 3503 (do not reconnect). Queued messages are not sent. A client whose
   * handshake is in progress has no session yet, so withdraw its permission first. The sessions are closed by the time
   * the call returns its promise. Rejects with a TypeError for an invalid `who`, and with a RangeError for a code that
   * is not from 3000 to 4999.
   */
  disconnect(who: { user: string } | { session: string }, code?: number): Promise<void>;
  /**
   * Ends a user's subscriptions to a channel at once. Publications that are queued for the socket are not sent. Rejects
   * with a TypeError if an argument is not a string.
   */
  unsubscribe(user: string, channel: string): Promise<void>;
  /**
   * Returns a function that calls `act` here at once, and in every other process that works with the same log and has
   * given a function for the same topic: to drop what it has cached, for example. A process that was cut off calls it
   * when it is back, or when it may have missed it; so it may be called more often than was asked for.
   *
   * The promise settles once all others will hear of it, whatever happens to the log. It rejects with a `ClosedError` after
   * closing, and with a lasting `LogError`; it need not be awaited. What `act` throws goes to `onError`. Throws a
   * TypeError for a topic that is not a text of 1 to 255 characters, and for an `act` that is not a function.
   *
   * @example
   * ```ts
   * const settings = new Map<string, unknown>();
   * const reload = notifier.everywhere("settings", () => settings.clear());
   * await reload();
   * ```
   */
  everywhere(topic: string, act: () => void): () => Promise<void>;
  /** Returns how many things the notifier owns now. All numbers are zero when it is quiet. */
  stats(): Stats;
  /** Returns how many bytes the notifier holds, and its counters since it was created: sessions, errors, limits hit. */
  totals(): Totals;
  /** Lists every socket, task, wait, timer and confirmed publication that the notifier owns now. */
  inspect(): Pending[];
  /** Calls `onError`. For hosts and adapters, whose errors no promise carries. */
  report(error: unknown, context: ErrorContext): void;
  /** Counts a refused client, and calls `onRefused`. For hosts and adapters. */
  refused(refused: Refused): void;
  /** Aborts when closing begins. */
  readonly closing: AbortSignal;
  /**
   * Closes the notifier: refuses new work, cancels the runs, flushes every session until everything is proven read,
   * cuts the sessions that are left, and closes the log.
   *
   * It resolves within the grace, or when `signal` aborts, whichever comes first. It never rejects. All calls return
   * the same promise, and the earliest deadline of all calls applies. Throws a RangeError, and closes nothing, if
   * `grace` is not a number from 0 up.
   */
  close(options?: CloseOptions): Promise<CloseReport>;
  /** Resolves when the notifier has closed. It stays pending until something closes the notifier. */
  readonly closed: Promise<CloseReport>;
}
