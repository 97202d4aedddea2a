import type { RunEvent, RunStatus } from "./run-event.ts";

/** What a task is given. */
export interface TaskContext<Event = RunEvent> {
  /** The run's id. */
  readonly id: string;
  /** Aborts for every reason to stop. */
  readonly signal: AbortSignal;
  /**
   * Writes an event into the run's channel; settles once it is in the log.
   *
   * Rejects with a TypeError or RangeError for what is no event or what its schema refuses, with a `BusyError` while too much waits
   * already (`limits.waiting`), and with a `ClosedError` once the run has ended. The last two need not be heard: they do not end
   * the process, and `onError` hears of a `BusyError`, too. A yield gets none: it waits for its turn.
   */
  emit(event: Event): Promise<void>;
}

/**
 * A piece of work: it yields its events, or emits them, and returns its result.
 *
 * Its `signal` tells it to stop: one that yields in a long loop looks at `signal.aborted` between its yields, and may have
 * last words. A generator that never asks for its signal is stopped at its next yield, which throws the signal's reason.
 */
export type Task<R, Event = RunEvent> = (
  context: TaskContext<Event>,
) => AsyncGenerator<Event, R, void> | Promise<R>;

/** How a run is made. */
export interface RunOptions {
  /** Default: a random one. One of your own requires `owner`, since only a random one is a secret. */
  id?: string | undefined;
  /** Another channel on which start and ending are announced. */
  channel?: string | undefined;
  /** The only user who may follow and cancel it. Default: whoever knows the id. */
  owner?: string | undefined;
  /**
   * Which client may cancel it. `"default"`: the owner's, and without an owner whoever knows the id. `"authorized"`: the
   * one that its `authorize` lets `cancel`, whoever owns the run. Default: `"default"`.
   */
  cancel?: "default" | "authorized" | undefined;
  /** What it does, for people. At most 255 characters. */
  name?: string | undefined;
  /** Cancels it when it aborts; its reason passes through everywhere as it is. */
  signal?: AbortSignal | undefined;
}

/** A piece of work with a lifetime, a channel `run:<id>` of its own, and exactly one ending. */
export interface Run<R> {
  /** Its id, which is also the permission to follow it where it has no owner. */
  readonly id: string;
  /** What it does, for people. */
  readonly name: string | undefined;
  /** The only user who may follow and cancel it, if there is one. */
  readonly owner: string | undefined;
  /** What it is doing now. */
  readonly status: RunStatus;
  /** How many events it has written, its start and ending among them, and when the last one, in milliseconds since 1970. */
  readonly activity: { readonly events: number; readonly time: number };
  /**
   * Waits for the ending. Rejects with a `RunError` when the task failed, with a `CancelError` when it was cancelled, or
   * with the reason of `options.signal` when that did it.
   *
   * Whoever waits before the run has ended gets the task's own value, or a `RunError` whose `cause` is what it threw. After
   * that neither is kept. Later calls get what the ending says: the value as JSON holds it, and of an error what everybody is
   * shown, name and message. An ending of more than 1 000 characters is read from the log: they reject with a `GapError` when
   * the log has trimmed it or another run with this id has begun, with a `ClosedError` when the notifier is closed, and with
   * the log's own error; with a `LogError` where the ending could not be written.
   */
  result(options?: { signal?: AbortSignal | undefined }): Promise<R>;
  /** Asks it to stop; settles once it has ended, however. Rejects with a TypeError for a reason that is not a text. */
  cancel(reason?: string): Promise<void>;
}

/** What became of the runs of a notifier that closed, by id. Each is in one list. */
export interface RunsReport {
  /** They returned a result. */
  completed: string[];
  /** They threw. */
  failed: string[];
  /** They stopped when they were asked to. */
  cancelled: string[];
  /**
   * Given up: cancelled, too, but their tasks ignored the signal; or their endings could not be written, as the log failed
   * to the last. The endings of the latter are among `undelivered`, with the reason `unlogged`.
   */
  abandoned: string[];
}

/** The channel in which a run writes. */
export function channelOfRun(id: string): string {
  return `${prefix}${id}`;
}

/** Whether a channel is one that a run writes, or would. */
export function isRunChannel(channel: string): boolean {
  return channel.startsWith(prefix);
}

/** The id of the run that writes a channel, or would; undefined where it is no run's. */
export function runOfChannel(channel: string): string | undefined {
  return isRunChannel(channel) ? channel.slice(prefix.length) : undefined;
}

export const prefix = "run:";
