import { checkPeer } from "../../access/peer-check.ts";
import { isObject } from "../../base/check.ts";
import { andThen, attempt, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import { version } from "../../base/version.ts";
import type { Peer } from "../../model/peer.ts";
import { closes, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { quitEarly } from "./acknowledge.ts";
import { type Answer, type Call, type Caller, over } from "./call.ts";
import type { Params } from "./params.ts";
import { found, type PreparedSubscription, type Sought, seek } from "./prepared-subscription.ts";
import { expiry } from "./refresh.ts";

/** Answers the first command of a session: who it is, what it is subscribed to from the start, how it is to be kept alive. */
export function connect(call: Call): MaybePromise<Answer> {
  const { params } = call;
  const wanted = isObject(params.subs) ? params.subs : {};
  const place = (): MaybePromise<Places> => placeAll(call, wanted);
  const placed = andThen(identify(call), () => found(call, place, abandonAll));
  return andThen(placed, (places) => welcome(call, places));
}

type Places = ReadonlyMap<string, PreparedSubscription>;

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
function identify(call: Call): MaybePromise<void> {
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
  hub.counters.hit("userSessions");
  over(session, closes.connectionLimit);
}

/** So many channels are looked into at once: what is read of them is held until they have their places. */
const atOnce = 64;

/** Places of all the channels that the server subscribes a peer to. They share one reply, and so one window, in order. */
function placeAll(caller: Call, wanted: Params): MaybePromise<Places> {
  const { session } = caller;
  const { channels = [] } = session.peer;
  if (channels.length === 0) return nowhere;
  const places = new Map<string, PreparedSubscription>();
  let { room } = session.window;
  const names = [...new Set(channels)];
  const seekOne = (name: string): MaybePromise<Sought> => {
    const request = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
    return seek(caller, name, isObject(request) ? request : {});
  };
  const placeFrom = (first: number): MaybePromise<Places> => {
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
function all(acts: readonly (() => MaybePromise<Sought>)[]): MaybePromise<readonly Sought[]> {
  const begun: MaybePromise<Sought>[] = [];
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
