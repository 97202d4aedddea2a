import type { RunEvent, RunStatus } from "./run-event.ts";

/** The argument of a task. */
export interface TaskContext<Event = RunEvent> {
  /** The run's id. */
  readonly id: string;
  /**
   * Aborts when the run has to stop, for any reason. If the log takes this process for gone, because it could not be
   * reached for too long, the reason is a `RunError` with `reason: "lost"`: another process has ended the run, and nothing
   * more of it is written.
   */
  readonly signal: AbortSignal;
  /**
   * Writes an event to the run's channel. Resolves once the event is in the log.
   *
   * Rejects with a TypeError or RangeError for a value that is not an event or that the event's schema refuses, with a
   * `BusyError` while too much waits to be published (`limits.waiting`), and with a `ClosedError` once the run has
   * ended. If they are unhandled, the last two do not end the process; `onError` is also called with the first
   * `BusyError` of a series. A `yield` never fails with a `BusyError`: it waits for its turn instead.
   */
  emit(event: Event): Promise<void>;
}

/**
 * A function that does the work of a run. It yields or emits events, and returns the run's result.
 *
 * `signal` aborts when the task has to stop. A task that yields in a long loop checks `signal.aborted` between its
 * yields, and may still emit final events. After the abort, a generator that has never read its `signal` is
 * stopped at its next yield: the yield throws the signal's reason.
 */
export type Task<R, Event = RunEvent> = (
  context: TaskContext<Event>,
) => AsyncGenerator<Event, R, void> | Promise<R>;

/** Options of a run. */
export interface RunOptions {
  /** The run's id. Default: a random id. An id of your own requires `owner`, because only a random id is a secret. */
  id?: string | undefined;
  /** Another channel on which the start and the ending are announced. Default: none. */
  channel?: string | undefined;
  /** The only user who may follow and cancel the run. Default: everyone who knows the id. */
  owner?: string | undefined;
  /**
   * Which clients may cancel the run. `"default"`: those of the owner, or, without an owner, those that know the id.
   * `"authorized"`: those that `authorize` allows to `cancel`, whoever the owner is. Default: `"default"`.
   */
  cancel?: "default" | "authorized" | undefined;
  /** A description of the run, for people. At most 255 characters. */
  name?: string | undefined;
  /** Cancels the run when it aborts. Its reason is passed on unchanged. */
  signal?: AbortSignal | undefined;
}

/** A piece of work with a lifetime, its own channel `run:<id>`, and exactly one ending. */
export interface Run<R> {
  /** The run's id. If the run has no owner, everyone who knows the id may follow the run. */
  readonly id: string;
  /** A description of the run, for people. */
  readonly name: string | undefined;
  /** The only user who may follow and cancel the run, if the run has an owner. */
  readonly owner: string | undefined;
  /** The current status. */
  readonly status: RunStatus;
  /**
   * The number of events that the run has written, including the start and the ending, and the time of the last one in
   * milliseconds since the Unix epoch.
   */
  readonly activity: { readonly events: number; readonly time: number };
  /**
   * Waits for the ending and returns the result. Rejects with a `RunError` when the task failed, with a `CancelError`
   * when the run was cancelled, or with the reason of the run's `options.signal` when that signal cancelled the run.
   *
   * A call before the ending gets the task's own value, or a `RunError` whose `cause` is what the task threw. Neither
   * is kept after the ending. A later call gets the content of the ending event: the value as JSON, or an error with
   * the name and message that clients see.
   *
   * A later call reads the log. It also rejects with a `GapError` when the log has trimmed the ending or another run with
   * this id has started, with a `ClosedError` when the notifier is closed, and with the error of the log. It rejects with
   * a `LogError` if the ending could not be written.
   *
   * Rejects with an `ExistsError` if the log still kept a run with this id when the run was started. Its task was then
   * not called, and nothing was written.
   */
  result(options?: { signal?: AbortSignal | undefined }): Promise<R>;
  /**
   * Cancels the run. Resolves once the run has ended, whatever its ending is. Rejects with a TypeError if `reason` is
   * not a string.
   */
  cancel(reason?: string): Promise<void>;
}

/** What the log says of a run, also of one of an earlier process. */
export interface RunState {
  /** The run's id. */
  readonly id: string;
  /** A description of the run, for people. */
  readonly name: string | undefined;
  /** The only user who may follow and cancel the run, if the run has an owner. */
  readonly owner: string | undefined;
  /** The status in the log. */
  readonly status: RunStatus;
  /** When the run began, in milliseconds since the Unix epoch. */
  readonly started: number;
  /** When the run ended, in milliseconds since the Unix epoch; undefined while it works. */
  readonly ended: number | undefined;
  /**
   * Waits for the ending and returns the result; see {@linkcode Run.result}. The result of an ended run is read from
   * the log.
   */
  result(options?: { signal?: AbortSignal | undefined }): Promise<unknown>;
  /**
   * Cancels the run, also one of another node. Resolves once the run has ended, whatever its ending is. Rejects with a
   * TypeError if `reason` is not a string.
   */
  cancel(reason?: string): Promise<void>;
}

/** How the runs of a closed notifier ended. Each run's id is in exactly one list. */
export interface RunsReport {
  /** Runs whose task returned a result. */
  completed: string[];
  /** Runs whose task threw, and those that the log has ended as lost because it took this process for gone. */
  failed: string[];
  /** Runs that stopped after they were cancelled. */
  cancelled: string[];
  /**
   * Runs that were cancelled but whose task ignored the signal, and runs whose ending could not be written because the
   * log failed until the end. The endings of the latter are in `undelivered`, with the reason `unlogged`.
   */
  abandoned: string[];
}

/** Returns the channel of a run. */
export function channelOfRun(id: string): string {
  return `${prefix}${id}`;
}

/** Returns whether a channel name is that of a run, whether or not the run exists. */
export function isRunChannel(channel: string): boolean {
  return channel.startsWith(prefix);
}

/**
 * Returns the id of the run that a channel name belongs to, whether or not the run exists. Undefined for other
 * channels.
 */
export function runOfChannel(channel: string): string | undefined {
  return isRunChannel(channel) ? channel.slice(prefix.length) : undefined;
}

export const prefix = "run:";
