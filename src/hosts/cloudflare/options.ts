import type { NotifierOptions } from "../../engine/core/settings.ts";
import type { Identity, Peer } from "../../model/peer.ts";
import type { Bound } from "../../stores/bounds.ts";
import type { NotificationsOptions } from "../notifications.ts";

/** The functions of a peer. */
export type PeerFunctions = Pick<Peer, "connect" | "refresh" | "receive">;

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

/** What `NotifierObject.options` returns: options of the notifier, and how connections are accepted. */
export interface NotifierObjectOptions
  extends Omit<NotifierOptions, "log" | "clock" | "signal">,
    NotificationsOptions {
  /**
   * Milliseconds between the pings of an idle session, for clients that send none of their own. Each round of pings wakes
   * the object, for all sessions at once. The client of `tocsin/client` sends its own pings, which wake nobody. Default
   * 300 000 (5 min).
   */
  heartbeat?: number | undefined;
  /**
   * Returns the functions of a peer, by its identity. It is called again after the object has slept, so an identity that
   * `authenticate` returns must not have others. With `tokens` of `tocsin/tokens`: `{ authenticate: check, peer: check }`.
   * Default: none.
   */
  peer?: ((identity: Identity) => PeerFunctions) | undefined;
  /** How much the log keeps. */
  log?: ObjectLogBounds | undefined;
}

/** What takes memory, so that all of it together fits into the 128 MB of an object. */
export const objectLimits = {
  sessions: 1_000,
  userSessions: 1_000,
  channels: 10_000,
  cache: 8_388_608,
  waiting: 8_388_608,
  confirmedTotal: 10_000,
  confirmedTotalBytes: 8_388_608,
  endedBytes: 8_388_608,
} as const;

/** Returns the functions of a peer only: `tokens`, for example, returns an identity with them. */
export function functionsOf({ connect, refresh, receive }: PeerFunctions = {}): PeerFunctions {
  return { ...(connect && { connect }), ...(refresh && { refresh }), ...(receive && { receive }) };
}
