import type { Position } from "./log.ts";

/**
 * How far a publication has come. Each level includes the levels before it.
 *
 * - `logged`: it is in the log.
 * - `written`: it was handed to a subscriber's socket.
 * - `read`: the pong to a ping sent behind it came back, so the subscriber's client has handled it. This works with any
 *   client.
 * - `acknowledged`: the subscriber's client acknowledged it. For a client that never acknowledges, this stays unknown.
 */
export type Level = "logged" | "written" | "read" | "acknowledged";

/** The delivery of a publication to a subscriber. */
export interface Delivery {
  /** The level that the publication reached. */
  readonly level: Level;
  /** The subscriber: the user, or the session's id if there is no user. "" if the level is `logged`. */
  readonly by: string;
  /**
   * When the delivery became known, in milliseconds since the Unix epoch. If it was known before `delivered()` was
   * called: the time of the last acknowledgement of `by` if it has acknowledged the publication, otherwise the time of
   * the call. For the level `logged`, the time of the publication.
   */
  readonly time: number;
}

/** Options of `delivered()`. */
export interface DeliveredOptions {
  /**
   * The level to wait for. Default: the level that discharges a confirmed publication, which is `acknowledged`, or
   * `read` by a client that never acknowledges.
   */
  level?: Level | undefined;
  /** The subscriber to wait for: a user, or the id of a session without a user. Default: any subscriber. */
  by?: string | undefined;
  /** Ends the wait when it aborts. The publication is not affected. */
  signal?: AbortSignal | undefined;
}

/** The result of `publish`: the publication is in the log, at this position. */
export interface Receipt {
  /** The channel's name. */
  readonly channel: string;
  /** The position of the publication in the channel. */
  readonly position: Position;
  /**
   * Waits until the publication has been delivered to a subscriber.
   *
   * Rejects with the reason of `signal`, with an `ExpiredError` when the publication's `ttl` is over or the log has
   * trimmed it, with a `ClosedError` when the notifier closed first, and with a TypeError for an unknown level. Apart
   * from the TypeError, an unhandled rejection does not end the process.
   *
   * A call made after the publication was reported as undelivered still resolves if a subscriber has received it since.
   */
  delivered(options?: DeliveredOptions): Promise<Delivery>;
}

/**
 * Why a confirmed publication is reported as undelivered.
 *
 * - `expired`: its `ttl` is over.
 * - `trimmed`: the log no longer holds it, and it is not being sent to a subscriber.
 * - `closed`: the notifier closed.
 * - `overflow`: it is a run's ending, and too many confirmed publications wait already (`limits.confirmedTotal`).
 * - `unlogged`: it was not written to the log. The notifier closed first, or the log refused a run's ending for good.
 *   Its offset is 0 and its epoch is "".
 */
export type UndeliveredReason = "expired" | "trimmed" | "closed" | "overflow" | "unlogged";

/** A confirmed publication that is not known to have been delivered. */
export interface Undelivered {
  /** The channel's name. */
  readonly channel: string;
  /** The position in the log. `{ offset: 0, epoch: "" }` if it is not in the log. */
  readonly position: Position;
  /** When the publication was made, in milliseconds since the Unix epoch. */
  readonly time: number;
  /** The highest level that it reached. `"none"` if it is not in the log. */
  readonly level: Level | "none";
  /** Why it was not delivered. */
  readonly reason: UndeliveredReason;
}

/** The publication of a `delivered()` call. `expires` is on the clock's `now`. */
export interface Asked {
  readonly channel: string;
  readonly position: Position;
  readonly time: number;
  readonly expires: number;
}

export const levels: readonly Level[] = ["logged", "written", "read", "acknowledged"];
