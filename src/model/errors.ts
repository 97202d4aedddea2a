import type { Position } from "./log.ts";

// Fields are only declared, and set in the constructor. Initialisers would make the bundle for browsers larger.

/**
 * The error for an operation on a notifier, or on something that belongs to it, that is closed.
 *
 * Calls made after `close()` began reject with it. Waits that are still pending when closing ends reject with it, too.
 */
export class ClosedError extends Error {
  /** Always `"ClosedError"`. */
  override readonly name = "ClosedError";
  /** Creates the error. Without `message` it has a default message. */
  constructor(message = "Cannot go on: the notifier is closed", options?: ErrorOptions) {
    super(message, options);
  }
}

/** Returns the error for an action that a closed notifier refuses. */
export function closed(action: string): ClosedError {
  return new ClosedError(`Cannot ${action}: the notifier is closed`);
}

/**
 * The error for a publication that is refused because too much already waits to be published: for a turn of the event
 * loop, or for a log that fails.
 *
 * Nothing was published. Await each publication, publish less at once, or raise `limits.waiting`.
 */
export class BusyError extends Error {
  /** Always `"BusyError"`. */
  override readonly name = "BusyError";
}

/** The error of a log. Stores throw it. `publish` rejects with it only if it is `lasting`. */
export class LogError extends Error {
  /** Always `"LogError"`. */
  override readonly name = "LogError";
  /** Whether retrying does not help: the store is read-only, corrupt, of a newer format, or closed. */
  declare readonly lasting: boolean;
  /** Creates the error. `lasting` is false by default. */
  constructor(message: string, { lasting = false, ...options }: ErrorOptions & { lasting?: boolean } = {}) {
    super(message, options);
    this.lasting = lasting;
  }
}

/**
 * The error for a channel that should begin and has begun already. Stores throw it. `result()` of a run whose id is in
 * use, in the log that other processes share too, rejects with it.
 */
export class ExistsError extends Error {
  /** Always `"ExistsError"`. */
  override readonly name = "ExistsError";
  /** The channel's name. */
  declare readonly channel: string;
  /** Creates the error. The message contains the channel. */
  constructor(channel: string) {
    super(`Cannot begin ${JSON.stringify(channel)}: it has begun already, and is kept`);
    this.channel = channel;
  }
}

/** The error for an append to a channel that is sealed: a run's, after its ending. Stores throw it. */
export class SealedError extends Error {
  /** Always `"SealedError"`. */
  override readonly name = "SealedError";
  /** The channel's name. */
  declare readonly channel: string;
  /** Creates the error. The message contains the channel. */
  constructor(channel: string) {
    super(`Cannot append to ${JSON.stringify(channel)}: it is sealed`);
    this.channel = channel;
  }
}

/** Who cancelled a run: code that called `cancel()`, a connected client, or the closing of the notifier. */
export type CancelledBy = "caller" | "client" | "shutdown";

/**
 * The error of a run that was cancelled. It is the `reason` of the signal that the run's task receives.
 *
 * If the run is cancelled through the caller's `options.signal`, that signal's own reason is used instead.
 */
export class CancelError extends Error {
  /** Always `"CancelError"`. */
  override readonly name = "CancelError";
  /** Who cancelled the run. */
  declare readonly by: CancelledBy;
  /** The reason passed to `cancel(reason)`, if any. */
  declare readonly reason: string | undefined;
  /** Creates the error. The message contains `by` and `reason`. */
  constructor(by: CancelledBy, reason?: string, options?: ErrorOptions) {
    super(`Cancelled by the ${by}${reason === undefined ? "" : `: ${reason}`}`, options);
    Object.assign(this, { by, reason });
  }
}

/** The error for a read after a position that the log can no longer serve without a gap. */
export class GapError extends Error {
  /** Always `"GapError"`. */
  override readonly name = "GapError";
  /** The channel's name. */
  declare readonly channel: string;
  /** The requested position. */
  declare readonly after: Position;
  /** The earliest position after which the log can be read without a gap. */
  declare readonly earliest: Position;
  /** Creates the error. The message contains the channel and the offset. */
  constructor(channel: string, after: Position, earliest: Position) {
    super(`Cannot resume ${JSON.stringify(channel)} after ${after.offset}: its log was trimmed or replaced`);
    Object.assign(this, { channel, after, earliest });
  }
}

/**
 * The error of a wait for delivery that has ended, because the publication's `ttl` is over or the log has trimmed it,
 * before the publication reached the requested level.
 */
export class ExpiredError extends Error {
  /** Always `"ExpiredError"`. */
  override readonly name = "ExpiredError";
  /** The channel's name. */
  declare readonly channel: string;
  /** The position of the publication in the channel. */
  declare readonly position: Position;
  /** Why the wait ended: the `ttl` is over (`expired`), or the log has trimmed the publication (`trimmed`). */
  declare readonly reason: "expired" | "trimmed";
  /** The highest level that the publication is known to have reached. */
  declare readonly level: "logged" | "written" | "read" | "acknowledged";
  /** Creates the error. The message contains the publication, the reason and the level. */
  constructor(
    channel: string,
    position: Position,
    { reason, level }: Pick<ExpiredError, "reason" | "level">,
  ) {
    const what = reason === "expired" ? "it expired" : "the log trimmed it";
    const which = `publication ${position.offset} of ${JSON.stringify(channel)}`;
    super(`Cannot wait for ${which} any longer: ${what}, level "${level}"`);
    this.channel = channel;
    this.position = position;
    this.reason = reason;
    this.level = level;
  }
}

/** The error of a run that failed. `cause` is what its task threw, or says that its process is gone. */
export class RunError extends Error {
  /** Always `"RunError"`. */
  override readonly name = "RunError";
  /** The run's id. */
  declare readonly run: string;
  /**
   * `lost`: the process that ran it ended without writing an ending, or its log took it for gone. Otherwise the task threw.
   */
  declare readonly reason: "lost" | undefined;
  /** Creates the error. Give `why`, the text about the cause, if reading the cause's message could throw. */
  constructor(
    run: string,
    options: ErrorOptions & { reason?: "lost" | undefined },
    why = `${(options.cause as Partial<Error> | undefined)?.message ?? options.cause}`,
  ) {
    super(`Run ${JSON.stringify(run)} failed: ${why}`, options);
    Object.assign(this, { run, reason: options.reason });
  }
}

/** Options of a `ReplyError`. */
export interface ReplyErrorOptions extends ErrorOptions {
  /** See {@linkcode ReplyError.status}. */
  status?: number | undefined;
  /** See {@linkcode ReplyError.tries}. */
  tries?: number | undefined;
}

/**
 * The error for a request that the server refused, or for a connection that ended before the server replied.
 *
 * `code` is one of the protocol's error codes (from 100), close codes (from 1000, or 0 if there was none) or
 * unsubscribe codes (from 2000). `protocol.ts` lists them. If no connection could be made, `tries` is the number of
 * failed attempts in a row.
 */
export class ReplyError extends Error {
  /** Always `"ReplyError"`. */
  override readonly name = "ReplyError";
  /** The code of the protocol: the kind of refusal. */
  declare readonly code: number;
  /** Whether retrying may help. */
  declare readonly temporary: boolean;
  /**
   * The HTTP status with which the server refused the handshake. It is available with `ws`, on Bun and on Deno.
   * Browsers and Node's built-in WebSocket do not expose it.
   */
  declare readonly status: number | undefined;
  /** The number of failed attempts in a row, including this one. Undefined if there was a connection. */
  declare readonly tries: number | undefined;
  /** Creates the error. `temporary` is false by default. */
  constructor(code: number, message: string, temporary = false, options: ReplyErrorOptions = {}) {
    super(message, options);
    Object.assign(this, options, { code, temporary });
  }
}

/** The part of a thrown value that may be shown to people: its name and message, never its stack or cause. */
export interface Failure {
  /** The error's name, for example `"TypeError"`. */
  name: string;
  /** The error's message. */
  message: string;
}

/** Returns the name and message of any thrown value. It never throws. */
export function describe(thrown: unknown): Failure {
  try {
    if (thrown instanceof Error) return { name: String(thrown.name), message: String(thrown.message) };
    return { name: "Error", message: String(thrown) };
  } catch {
    return { name: "Error", message: "unknown" };
  }
}
