import { checkPeer } from "../../access/peer-check.ts";
import { isObject, isText, isTime } from "../../base/check.ts";
import { andThen, attempt, type Soon } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import { version } from "../../base/version.ts";
import { ClosedError } from "../../model/errors.ts";
import type { Peer } from "../../model/peer.ts";
import { type Close, closes, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { LiveSession } from "../sessions/session.ts";
import { quitEarly } from "./acknowledge.ts";
import { type Place, type Sought, seek } from "./prepared-subscription.ts";
import type { Answer, Call, Caller, Params } from "./request.ts";

/** Answers the first command of a session: who it is, what it is subscribed to from the start, how it is to be kept alive. */
export function connect(call: Call): Soon<Answer> {
  const { params } = call;
  const wanted = isObject(params.subs) ? params.subs : {};
  const place = (): Soon<Places> => placeAll(call, wanted);
  const placed = andThen(identify(call), () => found(call, place, abandonAll));
  return andThen(placed, (places) => welcome(call, places));
}

type Places = ReadonlyMap<string, Place>;

function abandonAll(places: Places): void {
  for (const { abandon } of places.values()) abandon();
}

function welcome({ hub, session }: Caller, places: Places): Answer {
  const subs = Array.from(places, ([name, { result }]) => `${JSON.stringify(name)}:${result}`).join(",");
  const heartbeat = Math.max(1, Math.ceil(hub.settings.heartbeat / 1000));
  const result =
    `{"client":"${session.id}","version":"tocsin ${version}","ping":${heartbeat},"pong":true` +
    `${expiry(session)}${subs === "" ? "" : `,"subs":{${subs}}`}}`;
  return {
    result,
    channels: [...places.keys()],
    after: () => {
      session.connected();
      for (const [name, { commit }] of places) {
        commit(true, false);
        quitEarly(session, name);
      }
    },
    abandon: () => abandonAll(places),
  };
}

/** Finds out who connects, where the peer says how. A session that cannot be anybody's is closed. */
function identify(call: Call): Soon<void> {
  const find = call.session.peer.connect;
  return find === undefined ? undefined : identifyBy(find, call);
}

async function identifyBy(
  find: NonNullable<Peer["connect"]>,
  { hub, session, params: { token, data } }: Call,
): Promise<void> {
  const { peer } = session;
  const call = { token: typeof token === "string" ? token : "", data };
  const identity = await session.ask("connect", async ({ signal }) => {
    const found = await find(peer, { ...call, signal });
    if (found !== null) checkPeer(found, hub.settings.limits.channel);
    return found;
  });
  // It may have ended after that was found, and before it was heard here.
  if (identity === null || !session.isOpen) return over(session, closes.invalidToken);
  if ((identity.expires ?? Infinity) <= hub.clock.time()) throw new Refusal(replies.tokenExpired);
  if (!hub.gate.isFullOf(identity.user)) return session.become(identity);
  hub.tally.hit("userSessions");
  over(session, closes.connectionLimit);
}

/** Ends a session in the middle of a command, which then goes unanswered. */
function over(session: LiveSession, why: Close): never {
  session.revoke(why);
  throw new ClosedError(`Cannot go on: session ${session.id} is over`);
}

/** So many channels are looked into at once: what is read of them is held until they have their places. */
const atOnce = 64;

/** Places of all the channels that the server subscribes a peer to. They share one reply, and so one window, in order. */
function placeAll(caller: Call, wanted: Params): Soon<Places> {
  const { session } = caller;
  const { channels = [] } = session.peer;
  if (channels.length === 0) return nowhere;
  const places = new Map<string, Place>();
  let { room } = session.window;
  const names = [...new Set(channels)];
  const seekOne = (name: string): Soon<Sought> => {
    const request = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
    return seek(caller, name, isObject(request) ? request : {});
  };
  const placeFrom = (first: number): Soon<Places> => {
    const some = names.slice(first, first + atOnce);
    if (some.length === 0) return places;
    return andThen(all(some.map((name) => () => seekOne(name))), (sought) => {
      for (const [at, name] of some.entries()) {
        const place = (sought[at] as Sought).take(room);
        places.set(name, place);
        room -= place.bytes;
      }
      return placeFrom(first + atOnce);
    });
  };
  return attempt(
    () => placeFrom(0),
    () => abandonAll(places),
  );
}

/** Does all at once, and abandons the others where one fails. */
function all(acts: readonly (() => Soon<Sought>)[]): Soon<readonly Sought[]> {
  const begun: Soon<Sought>[] = [];
  const undo = (): void => {
    for (const each of begun) {
      if (each instanceof Promise) ignorable(each.then(({ abandon }) => abandon()));
      else each.abandon();
    }
  };
  return attempt(() => {
    for (const act of acts) begun.push(act());
    return begun.some((each) => each instanceof Promise) ? Promise.all(begun) : (begun as Sought[]);
  }, undo);
}

const nowhere: Places = new Map();

/** Looks for places, and abandons what comes too late for whoever asked. */
export function found<T>({ session }: Caller, find: () => Soon<T>, abandon: (late: T) => void): Soon<T> {
  let kept: { value: T } | undefined;
  const asked = session.ask("log", (asking) =>
    andThen(find(), (value) => {
      if (asking.isAborted) abandon(value);
      else kept = { value };
      return value;
    }),
  );
  // The session may end after it was found, and before that was heard here.
  if (asked instanceof Promise)
    asked.catch(() => {
      if (kept !== undefined) abandon(kept.value);
    });
  return asked;
}

/** Seconds for which clients can wait, by timers that take no more than 2 ** 31 - 1 ms: they only refresh too early then. */
const longestTtl = 2_147_483;

/**
 * When the client should come with a new token: a fifth, and at most 10 s, before the old one ends. A peer that cannot
 * refresh is not told, since its client would give up for want of a token, where coming back is all it takes.
 */
function expiry({ peer, pulse: { remaining } }: LiveSession): string {
  if (peer.refresh === undefined || remaining === Infinity) return "";
  const ttl = Math.floor((remaining - Math.min(10_000, remaining / 5)) / 1000);
  return `,"expires":true,"ttl":${Math.min(longestTtl, Math.max(1, ttl))}`;
}

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
  session.pulse.extend(expires);
  return { result: `{"client":"${session.id}","version":"tocsin ${version}"${expiry(session)}}` };
}
