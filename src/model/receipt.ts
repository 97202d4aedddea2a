import type { Position } from "./log.ts";

/**
 * How far a publication has come, each level with those before it.
 *
 * - `logged`: it is in the log.
 * - `written`: it was handed to a subscriber's socket.
 * - `read`: a pong came back from behind it, so the subscriber's client has handled it. Any client proves this much.
 * - `acknowledged`: the subscriber's client said so itself. For a client that never acknowledges this stays unknown.
 */
export type Level = "logged" | "written" | "read" | "acknowledged";

/** That a publication has reached somebody, and how far. */
export interface Delivery {
  /** How far it has come. */
  readonly level: Level;
  /** Who: the user, or the id of the session where there is no user. "" when it is only `logged`. */
  readonly by: string;
  /**
   * When this became known, in milliseconds since the Unix epoch. For what was known before anybody waited for it, that
   * is when it was last heard of `by`, or asked.
   */
  readonly time: number;
}

/** What is waited for of a publication. */
export interface DeliveredOptions {
  /** Default: what discharges a confirmed publication, `acknowledged`, or `read` by a client that never acknowledges. */
  level?: Level | undefined;
  /** Who it has to have reached: a user, or the id of a session without one. Default: whoever is first. */
  by?: string | undefined;
  /** Ends the waiting, not the publication. */
  signal?: AbortSignal | undefined;
}

/** What `publish` answers: the publication is in the log, at this position. */
export interface Receipt {
  /** The channel's name. */
  readonly channel: string;
  /** Where the publication stands in it. */
  readonly position: Position;
  /**
   * Waits until the publication has reached somebody.
   *
   * Rejects with the reason of `signal`, with an `ExpiredError` when its `ttl` is over or the log has trimmed it, with a
   * `ClosedError` when the notifier closed first, and with a TypeError for a level there is not. A rejection need not be
   * heard.
   */
  delivered(options?: DeliveredOptions): Promise<Delivery>;
}

/**
 * Why a confirmed publication is given up.
 *
 * - `expired`: its `ttl` is over.
 * - `trimmed`: the log no longer holds it, and nobody is just being sent it.
 * - `closed`: the notifier closed.
 * - `overflow`: a run's ending, for which the notifier had no room to wait (`limits.confirmedTotal`).
 * - `unlogged`: it did not get into the log. The notifier closed first, or the log refused a run's ending for good. Its
 *   offset is then 0, and its epoch "".
 */
export type UndeliveredReason = "expired" | "trimmed" | "closed" | "overflow" | "unlogged";

/** A confirmed publication that nobody is known to have received. */
export interface Undelivered {
  /** The channel's name. */
  readonly channel: string;
  /** Where it is in the log; `{ offset: 0, epoch: "" }` where it is not. */
  readonly position: Position;
  /** When it was published, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** How far it has come all the same; `"none"` where it is not in the log. */
  readonly level: Level | "none";
  /** Why it is given up. */
  readonly reason: UndeliveredReason;
}

/** A publication whose delivery is asked for. */
export interface Asked {
  readonly channel: string;
  readonly position: Position;
  readonly time: number;
  readonly expires: number;
}

export const levels: readonly Level[] = ["logged", "written", "read", "acknowledged"];
