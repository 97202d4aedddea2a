/**
 * The bits of `flags` of a session. There are thousands of sessions, and one number takes less memory than a field for
 * each of them.
 */
export const flag = {
  /** The state has changed since the host was told. */
  changed: 1,
  /** A client that was just answered relies on the change. */
  urgent: 2,
  /** The client sends pings of its own, which the host answers. */
  pingsItself: 4,
  /** The session was restored from a state that was not its last one. Its client may have more than the cursors say. */
  stale: 8,
  /** A pong has come that is taken for one of the earlier process, and may have been that of the outstanding ping. */
  pongTaken: 16,
  /** One pong that may still come for a ping of an earlier process. The three bits from here on count them. */
  doubtfulPong: 32,
} as const;

/** The maximum number of doubtful pongs. */
export const maxDoubtfulPongs = 7;
/** The bits that count the doubtful pongs. */
export const doubtfulPongs: number = maxDoubtfulPongs * flag.doubtfulPong;
