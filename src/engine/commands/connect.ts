import { checkPeer } from "../../access/peer-check.ts";
import { isObject } from "../../base/check.ts";
import { andThen, attempt, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import type { Peer } from "../../model/peer.ts";
import { closes, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { quitEarly } from "./acknowledge.ts";
import { type Answer, type Call, type Caller, over } from "./call.ts";
import type { Params } from "./params.ts";
import { found, type PreparedSubscription, type Sought, seek } from "./prepared-subscription.ts";
import { refreshed } from "./refresh.ts";

/**
 * Answers the first command of a session: establishes its identity, subscribes it to the channels of its peer, and
 * returns how the connection is kept alive.
 */
export function connect(call: Call): MaybePromise<Answer> {
  const { params, session } = call;
  session.named(params.name);
  const wanted = isObject(params.subs) ? params.subs : {};
  const prepare = (): MaybePromise<PreparedSubscriptions> => prepareAll(call, wanted);
  const prepared = andThen(identify(call), () => found(call, prepare, abandonAll));
  return andThen(prepared, (subscriptions) => welcome(call, subscriptions));
}

type PreparedSubscriptions = ReadonlyMap<string, PreparedSubscription>;

function abandonAll(subscriptions: PreparedSubscriptions): void {
  for (const { abandon } of subscriptions.values()) abandon();
}

function welcome({ hub, session }: Caller, subscriptions: PreparedSubscriptions): Answer {
  return {
    result: session.codec.results.connect({
      ...refreshed(session),
      ping: session.pingsItself ? undefined : Math.max(1, Math.ceil(hub.settings.heartbeat / 1000)),
      subs: Array.from(subscriptions, ([name, { result }]) => [name, result] as const),
      ...(session.secret !== undefined && { session: session.secret, node: hub.nodes.id }),
    }),
    channels: [...subscriptions.keys()],
    after: () => {
      session.connected();
      for (const [name, { commit }] of subscriptions) {
        commit(true, false);
        quitEarly(session, name);
      }
    },
    abandon: () => abandonAll(subscriptions),
  };
}

/** Establishes the identity, if the peer has a `connect` handler. A session without an identity is closed. */
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
  // The session may have ended after the handler returned, and before this line runs.
  if (identity === null || !session.isOpen) return over(session, closes.invalidToken);
  if ((identity.expires ?? Infinity) <= hub.clock.time()) throw new Refusal(replies.tokenExpired);
  if (!hub.gate.isFullOf(identity.user)) return session.become(identity);
  hub.counters.hit("userSessions");
  over(session, closes.connectionLimit);
}

/**
 * The number of channels that are read at the same time. What was read is held in memory until their subscriptions are
 * prepared.
 */
const batchSize = 64;

/**
 * Prepares the subscriptions to all channels that the server subscribes a peer to. They share one reply, and so one
 * window, in order.
 */
function prepareAll(caller: Call, wanted: Params): MaybePromise<PreparedSubscriptions> {
  const { session } = caller;
  const { channels = [] } = session.peer;
  if (channels.length === 0) return noSubscriptions;
  const subscriptions = new Map<string, PreparedSubscription>();
  let { room } = session.window;
  const names = [...new Set(channels)];
  const seekOne = (name: string): MaybePromise<Sought> => {
    const request = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
    return seek(caller, name, isObject(request) ? request : {});
  };
  const prepareFrom = (first: number): MaybePromise<PreparedSubscriptions> => {
    const batch = names.slice(first, first + batchSize);
    if (batch.length === 0) return subscriptions;
    return andThen(all(batch.map((name) => () => seekOne(name))), (sought) => {
      for (const [at, name] of batch.entries()) {
        const subscription = (sought[at] as Sought).take(room);
        subscriptions.set(name, subscription);
        room -= subscription.bytes;
      }
      return prepareFrom(first + batchSize);
    });
  };
  return attempt(
    () => prepareFrom(0),
    () => abandonAll(subscriptions),
  );
}

/** Calls all functions. If one fails, the results of the others are abandoned. */
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

const noSubscriptions: PreparedSubscriptions = new Map();
