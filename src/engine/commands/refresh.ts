import { isText, isTime } from "../../base/check.ts";
import { version } from "../../base/version.ts";
import { closes, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { LiveSession } from "../sessions/session.ts";
import { type Answer, type Call, over } from "./call.ts";

/** Answers a new token of a session's. */
export async function refresh({ hub, session, params }: Call): Promise<Answer> {
  const { peer } = session;
  const check = peer.refresh;
  const { token } = params;
  if (check === undefined) throw new Refusal(replies.notAvailable);
  if (!isText(token, 1)) throw new Refusal(replies.badRequest);
  const expires = await session.ask("refresh", () => check(peer, token));
  if (!isTime(expires)) return over(session, closes.invalidToken);
  // Clients give up for good at an error here. After this close they come back, and get a new token.
  if (expires <= hub.clock.time()) return over(session, closes.expired);
  session.timers.extend(expires);
  return { result: `{"client":"${session.id}","version":"tocsin ${version}"${expiry(session)}}` };
}

/** Seconds for which clients can wait, by timers that take no more than 2 ** 31 - 1 ms: they only refresh too early then. */
const longestTtl = 2_147_483;

/**
 * When the client should come with a new token: a fifth, and at most 10 s, before the old one ends. A peer that cannot
 * refresh is not told, since its client would give up for want of a token, where coming back is all it takes.
 */
export function expiry({ peer, timers: { remaining } }: LiveSession): string {
  if (peer.refresh === undefined || remaining === Infinity) return "";
  const ttl = Math.floor((remaining - Math.min(10_000, remaining / 5)) / 1000);
  return `,"expires":true,"ttl":${Math.min(longestTtl, Math.max(1, ttl))}`;
}
