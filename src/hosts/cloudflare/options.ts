import type { Limits } from "../../engine/core/limits.ts";
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

/** Returns the functions of a peer by its identity. Throws a TypeError for a promise of them. */
export function functionsFor(identity: Identity, peer: NotifierObjectOptions["peer"]): PeerFunctions {
  const given = peer?.(identity);
  if (typeof (given as { then?: unknown } | undefined)?.then === "function")
    throw new TypeError("Cannot use a promise: peer has to return the functions at once");
  return functionsOf(given);
}

/** Returns the functions of a peer only: `tokens`, for example, returns an identity with them. */
export function functionsOf({ connect, refresh, receive }: PeerFunctions = {}): PeerFunctions {
  return { ...(connect && { connect }), ...(refresh && { refresh }), ...(receive && { receive }) };
}
