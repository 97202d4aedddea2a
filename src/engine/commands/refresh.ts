import { isText, isTime } from "../../base/check.ts";
import { version } from "../../base/version.ts";
import { type ConnectResult, closes, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { LiveSession } from "../sessions/session.ts";
import { type Answer, type Call, over } from "./call.ts";

/** Answers a `refresh`: checks the new token of a session. */
export async function refresh({ hub, session, params }: Call): Promise<Answer> {
  const { peer } = session;
  const check = peer.refresh;
  const { token } = params;
  if (check === undefined) throw new Refusal(replies.notAvailable);
  if (!isText(token, 1)) throw new Refusal(replies.badRequest);
  const expires = await session.ask("refresh", () => check(peer, token));
  if (!isTime(expires)) return over(session, closes.invalidToken);
  // After an error reply to `refresh`, clients give up for good. After this close they reconnect with a new token.
  if (expires <= hub.clock.time()) return over(session, closes.expired);
  session.extend(expires);
  return { result: session.codec.results.refresh(refreshed(session)) };
}

/** Returns what the replies to `connect` and `refresh` have in common. */
export function refreshed(session: LiveSession): Pick<ConnectResult, "client" | "version" | "ttl"> {
  return { client: session.id, version: `tocsin ${version}`, ttl: ttlOf(session) };
}

/**
 * The maximum `ttl`, in seconds. Clients wait with timers that hold at most 2 ** 31 - 1 ms. With this maximum they only
 * refresh too early.
 */
const maxTtl = 2_147_483;

/**
 * Returns the seconds after which the client should send a new token. That is before the old token ends, by a fifth of
 * the remaining time, but by at most 10 s. Returns undefined for a peer that cannot refresh. Its client would give up
 * because it has no new token, although it only needs to reconnect.
 */
function ttlOf({ peer, timers: { remaining } }: LiveSession): number | undefined {
  if (peer.refresh === undefined || remaining === Infinity) return undefined;
  const ttl = Math.floor((remaining - Math.min(10_000, remaining / 5)) / 1000);
  return Math.min(maxTtl, Math.max(1, ttl));
}
