import { type Limits, resolveLimits } from "../../engine/core/limits.ts";
import type { NotifierOptions } from "../../engine/core/settings.ts";
import type { Identity, Peer } from "../../model/peer.ts";
import type { Bound } from "../../stores/bounds.ts";
import type { NotificationsOptions } from "../notifications.ts";

/** How much the log of an object keeps. What is left out has its default. */
export interface ObjectLogBounds {
  /** Publications kept per channel. Default 1 000. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8. Default 1 048 576 (1 MiB). */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept. Default 86 400 000 (24 h). */
  ttl?: Bound | undefined;
  /**
   * Bytes that publications over `size` and `bytes` may take while they are younger than 10 s. Default 8 388 608 (8 MiB).
   */
  slack?: Bound | undefined;
  /** Bytes kept in total. Default 1 073 741 824 (1 GiB). */
  totalBytes?: number | undefined;
}

/** The functions of a peer. */
export type PeerFunctions = Pick<Peer, "connect" | "refresh" | "receive">;

/** What `NotifierObject.options` returns: options of the notifier, and how connections are accepted. */
export interface NotifierObjectOptions
  extends Omit<NotifierOptions, "log" | "clock" | "signal">,
    NotificationsOptions {
  /**
   * Milliseconds between the pings of an idle session, for clients that send none of their own. Each round of pings wakes
   * the object, for all sessions at once. The client of `tocsin/client` sends its own pings, which wake nobody. Below
   * 120 000, one other client is enough to keep the object awake. Default 300 000 (5 min).
   */
  heartbeat?: number | undefined;
  /**
   * Bytes that a session may have in flight. A reply to `presence` has to fit, with about 120 bytes for each client.
   * Default 65 536 (64 KiB).
   */
  window?: number | undefined;
  /**
   * How much peers and publishers may send, open and ask for. Those that take memory are lower by default than
   * elsewhere, so that all of them together fit into the 128 MB of an isolate: `sessions` and `userSessions` 1 000,
   * `subscriptions` 100, `channels` and `confirmedTotal` 5 000, `cache`, `waiting`, `confirmedTotalBytes`, `endedBytes`
   * and `commandTotalChars` 2 097 152.
   */
  limits?: Partial<Limits> | undefined;
  /**
   * Returns the functions of a peer, by its identity. It is called again after the object has slept, so an identity that
   * `authenticate` returns must not have others. With `tokens` of `tocsin/tokens`: `{ authenticate: check, peer: check }`.
   * Default: none.
   */
  peer?: ((identity: Identity) => PeerFunctions) | undefined;
  /** How much the log keeps. */
  log?: ObjectLogBounds | undefined;
}

/**
 * The limits on what takes memory. An isolate has 128 MB. Measured in workerd, in bytes, with the contents that take the
 * most; all of it together is 105 MB:
 *
 * | what | each | at the limit |
 * |---|---|---|
 * | the program | | 3 MB |
 * | session; subscription | 1 200; 135 | 15 MB |
 * | channel in use; channel that the log remembers | 1 500; 1 300 | 9 MB |
 * | character of a waiting command | 11 | 23 MB |
 * | confirmed publication that waits, its bytes; endings of runs the same again | 730; 2 | 16 MB |
 * | byte that waits to be published: of tiny ones that are confirmed, and of others | 12; 5 | 25 MB |
 * | byte of the cache; of ended runs | 3; 1.3 | 9 MB |
 * | idempotency key; subscriber that left, 10 000 each | 320; 230 | 5 MB |
 */
export const objectLimits = {
  sessions: 1_000,
  userSessions: 1_000,
  subscriptions: 100,
  channels: 5_000,
  cache: 2_097_152,
  waiting: 2_097_152,
  confirmedTotal: 5_000,
  confirmedTotalBytes: 2_097_152,
  endedBytes: 2_097_152,
} as const;

/** Returns the functions of a peer by its identity. Throws a TypeError for a promise of them. */
export function functionsFor(identity: Identity, peer: NotifierObjectOptions["peer"]): PeerFunctions {
  const given = peer?.(identity);
  if (typeof (given as { then?: unknown } | undefined)?.then === "function")
    throw new TypeError("Cannot use a promise: peer has to return the functions at once");
  return functionsOf(given);
}

/** The default of `commandTotalChars`, unless another limit demands more. */
const commandTotalChars = 2_097_152;

/** The default of `window`. What is in flight takes memory of the process, not of the isolate. */
export const objectWindow = 65_536;

/**
 * Returns the limits of an object, with its defaults for those that are not given. Throws a RangeError for an invalid
 * limit, or for one that contradicts another.
 */
export function limitsOfObject(given: Partial<Limits> = {}): Partial<Limits> {
  const specified = Object.entries(given).filter(([, value]) => value !== undefined);
  const limits: Partial<Limits> = { ...objectLimits, ...Object.fromEntries(specified) };
  // A limit may have been raised on which this one depends.
  const { commandChars } = resolveLimits(limits);
  return { commandTotalChars: Math.max(commandTotalChars, 2 * commandChars), ...limits };
}

/** Returns the functions of a peer only: `tokens`, for example, returns an identity with them. */
export function functionsOf({ connect, refresh, receive }: PeerFunctions = {}): PeerFunctions {
  return { ...(connect && { connect }), ...(refresh && { refresh }), ...(receive && { receive }) };
}
