import type { Position } from "./log.ts";

// Fields are declared only: their constructors set them, and a browser need not load them twice.

/**
 * Says that the notifier, or what was asked of it, is closed.
 *
 * Calls made after `close()` began reject with it, and so do waits that were under way when it ended.
 */
export class ClosedError extends Error {
  /** Always `"ClosedError"`. */
  override readonly name = "ClosedError";
  /** Makes one, with a message of its own unless another is given. */
  constructor(message = "Cannot go on: the notifier is closed", options?: ErrorOptions) {
    super(message, options);
  }
}

/** The error for what a notifier that is closed cannot do. */
export function closed(doing: string): ClosedError {
  return new ClosedError(`Cannot ${doing}: the notifier is closed`);
}

/**
 * Says that too much is waiting to be published already: for its turn, or for a log that fails.
 *
 * Nothing was published. Await what you publish, publish less at once, or raise `limits.waiting`.
 */
export class BusyError extends Error {
  /** Always `"BusyError"`. */
  override readonly name = "BusyError";
}

/** Says what is wrong with a log. A store throws it; `publish` passes on one that is `lasting`. */
export class LogError extends Error {
  /** Always `"LogError"`. */
  override readonly name = "LogError";
  /** Whether trying again is of no use: the store is read-only, corrupt, of a newer format, or closed. */
  declare readonly lasting: boolean;
  /** Makes one. `lasting` is false unless it is given. */
  constructor(message: string, { lasting = false, ...options }: ErrorOptions & { lasting?: boolean } = {}) {
    super(message, options);
    this.lasting = lasting;
  }
}

/** Who ended a piece of work: code that called `cancel()`, a connected client, or the notifier closing. */
export type CancelledBy = "caller" | "client" | "shutdown";

/**
 * Says that a run was cancelled, and by whom. It is the `reason` of the signal that its task sees.
 *
 * A run cancelled through the caller's own `options.signal` carries that signal's own reason instead.
 */
export class CancelError extends Error {
  /** Always `"CancelError"`. */
  override readonly name = "CancelError";
  /** Who cancelled. */
  declare readonly by: CancelledBy;
  /** The words given to `cancel(reason)`, if any. */
  declare readonly reason: string | undefined;
  /** Makes one, with a message that says by whom and why. */
  constructor(by: CancelledBy, reason?: string, options?: ErrorOptions) {
    super(`Cancelled by the ${by}${reason === undefined ? "" : `: ${reason}`}`, options);
    this.by = by;
    this.reason = reason;
  }
}

/** Says that what follows a position cannot be given without a hole, and from where it can be. */
export class GapError extends Error {
  /** Always `"GapError"`. */
  override readonly name = "GapError";
  /** The channel's name. */
  declare readonly channel: string;
  /** The position asked for. */
  declare readonly after: Position;
  /** The earliest position from which reading on leaves no hole. */
  declare readonly earliest: Position;
  /** Makes one, with a message that names the channel and the position. */
  constructor(channel: string, after: Position, earliest: Position) {
    super(`Cannot resume ${JSON.stringify(channel)} after ${after.offset}: its log was trimmed or replaced`);
    this.channel = channel;
    this.after = after;
    this.earliest = earliest;
  }
}

/**
 * Says that a publication is no longer waited for: its `ttl` is over, or the log has trimmed it, before it was delivered
 * as far as was asked.
 */
export class ExpiredError extends Error {
  /** Always `"ExpiredError"`. */
  override readonly name = "ExpiredError";
  /** The channel's name. */
  declare readonly channel: string;
  /** Where the publication stands in it. */
  declare readonly position: Position;
  /** Whether its `ttl` is over or the log has trimmed it. */
  declare readonly reason: "expired" | "trimmed";
  /** How far it is known to have come. */
  declare readonly level: "logged" | "written" | "read" | "acknowledged";
  /** Makes one, with a message that names the publication, the reason and the level. */
  constructor(
    channel: string,
    position: Position,
    { reason, level }: Pick<ExpiredError, "reason" | "level">,
  ) {
    const what = reason === "expired" ? "it expired" : "the log trimmed it";
    super(`Cannot wait for ${position.offset} of ${JSON.stringify(channel)} any longer: ${what}, ${level}`);
    this.channel = channel;
    this.position = position;
    this.reason = reason;
    this.level = level;
  }
}

/** Says that a run failed. `cause` is what its task threw. */
export class RunError extends Error {
  /** Always `"RunError"`. */
  override readonly name = "RunError";
  /** The run's id. */
  declare readonly run: string;
  /** `why` is what the message says of the cause. Give it where that may be anything, even what throws when it is read. */
  constructor(
    run: string,
    options: ErrorOptions,
    why = `${(options.cause as Partial<Error> | undefined)?.message ?? options.cause}`,
  ) {
    super(`Run ${JSON.stringify(run)} failed: ${why}`, options);
    this.run = run;
  }
}

/** What a `ReplyError` may say beside its code. */
export interface ReplyErrorOptions extends ErrorOptions {
  /** See {@linkcode ReplyError.status}. */
  status?: number | undefined;
  /** See {@linkcode ReplyError.tries}. */
  tries?: number | undefined;
}

/**
 * Says that the server refused what a client asked for, or that the connection ended before it answered.
 *
 * `code` is one of the protocol's error codes (from 100), close codes (from 1000, or 0 where nobody gave one) or codes of
 * an ended subscription (from 2000); `protocol.ts` has them. Where no connection was made, `tries` says how often in a row.
 */
export class ReplyError extends Error {
  /** Always `"ReplyError"`. */
  override readonly name = "ReplyError";
  /** The protocol's code, which says what kind of refusal it is. */
  declare readonly code: number;
  /** Whether trying again may help. */
  declare readonly temporary: boolean;
  /**
   * The HTTP status with which the server refused the handshake, where the runtime tells it: with `ws`, on Bun and on Deno.
   * Browsers and the WebSocket of Node itself do not tell.
   */
  declare readonly status: number | undefined;
  /** How many tries in a row have failed, this one included. Undefined where a connection had been made. */
  declare readonly tries: number | undefined;
  /** Makes one. `temporary` is false unless it is given. */
  constructor(code: number, message: string, temporary = false, options: ReplyErrorOptions = {}) {
    super(message, options);
    Object.assign(this, options, { code, temporary });
  }
}

/** What of a thrown value may be shown to a person: its name and message, never a stack or a cause. */
export interface Failure {
  /** The error's name: `"TypeError"`. */
  name: string;
  /** Its message. */
  message: string;
}

/** Reads name and message of whatever was thrown, without ever throwing itself. */
export function describe(thrown: unknown): Failure {
  try {
    if (thrown instanceof Error) return { name: String(thrown.name), message: String(thrown.message) };
    return { name: "Error", message: String(thrown) };
  } catch {
    return { name: "Error", message: "unknown" };
  }
}
