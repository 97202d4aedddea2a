import { canBeChannel } from "../../access/peer-check.ts";
import { byteLength, exceeds } from "../../base/bytes.ts";
import { isObject } from "../../base/check.ts";
import { andThen, type Soon } from "../../base/maybe-promise.ts";
import type { Position } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import { type Method, replies } from "../../wire/protocol.ts";
import { errorOf, validate } from "../core/event-check.ts";
import { isStart } from "../core/input-check.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import { usersOn } from "../hub/presence.ts";
import { readBackwards } from "../log/read-backwards.ts";
import { readPage } from "../log/read-page.ts";
import type { Asking } from "../sessions/handler-call.ts";
import { acknowledge, quitEarly } from "./acknowledge.ts";
import { connect, found, refresh } from "./connect.ts";
import { type Place, place } from "./prepared-subscription.ts";
import {
  type Answer,
  authorizes,
  type Call,
  type Caller,
  channelOf,
  naturalOf,
  type Params,
  permit,
  positionOf,
} from "./request.ts";

/** What each command does. */
export const commands: Record<Method, (call: Call) => Soon<Answer>> = {
  connect,
  subscribe,
  unsubscribe,
  publish,
  presence,
  presence_stats: presenceStats,
  history,
  rpc,
  refresh,
  sub_refresh: () => {
    throw new Refusal(replies.notAvailable);
  },
  ping: () => ({ result: "{}" }),
};

function subscribe(call: Call): Soon<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  if (params.type !== undefined && params.type !== 0) throw new Refusal(replies.notAvailable);
  if (session.subscriptions.has(name)) throw new Refusal(replies.alreadySubscribed);
  if (session.subscriptions.size >= hub.settings.limits.subscriptions)
    throw new Refusal(replies.limitExceeded, "subscriptions");
  const flag = naturalOf(params, "flag");
  positionOf(params);
  const joins = params.join_leave === true;
  const permitted = andThen(permit(call, "subscribe", name, params.data), () =>
    joins ? permit(call, "presence", name) : undefined,
  );
  const find = (): Soon<Place> => place(call, name, params);
  const abandonLate = (late: Place): void => late.abandon();
  const placed = andThen(permitted, () => found(call, find, abandonLate));
  return andThen(placed, ({ result, recovered, commit, abandon }) => {
    if (params.recover === true && !recovered && (flag & rejectUnrecovered) !== 0) {
      abandon();
      throw new Refusal(replies.unrecoverable);
    }
    const after = (): void => {
      commit(false, joins);
      quitEarly(session, name);
    };
    return { result, channels: [name], after, abandon };
  });
}

/** The subscribe flag that asks for an error instead of `recovered: false`. */
const rejectUnrecovered = 2;

function unsubscribe(call: Call): Answer {
  const { session } = call;
  const subscription = session.subscriptions.get(channelOf(call));
  if (subscription !== undefined) session.drop(subscription);
  return { result: "{}" };
}

async function publish(call: Call): Promise<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  if (!Object.hasOwn(params, "data")) throw new Refusal(replies.badRequest);
  await permit(call, "publish", name, params.data);
  const data = encode(hub, valid(call, name, params.data));
  await session.ask("log", ({ signal }) => hub.append(name, data, { signal }));
  return { result: "{}" };
}

/**
 * What the schemas make of it. A client is not told why they refuse; whoever wrote one that is at fault is, and the client
 * that it failed for now.
 */
function valid({ hub, session: { id } }: Caller, channel: string, data: unknown): unknown {
  if (hub.events === undefined) return data;
  const validation = validate(hub.events, data);
  if ("event" in validation) return validation.event;
  if (validation.isFault) {
    const where = (): string => `to ${JSON.stringify(channel)}`;
    hub.report(errorOf(validation, { verb: "publish", where }), "publish", `session ${id}`);
    throw new Refusal(replies.internal);
  }
  throw new Refusal(replies.badRequest);
}

/** What came as JSON may still be nested too deep to be written again. */
function encode(hub: Hub, data: unknown): string {
  try {
    return hub.serialise("the payload", data);
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded, "publication");
    throw new Refusal(replies.badRequest);
  }
}

async function presence(call: Call): Promise<Answer> {
  const { hub } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const { codec, settings } = hub;
  const subscriptions = hub.channels.get(name)?.subscriptions;
  if ((subscriptions?.size ?? 0) > settings.limits.presence)
    throw new Refusal(replies.limitExceeded, "presence");
  const present = Array.from(subscriptions ?? [], ({ session: { id, info } }) => ({ id, info }));
  const clients = present.map(({ id, info }) => `"${id}":${codec.clientInfo(info)}`).join(",");
  if (exceeds(clients, settings.window)) throw new Refusal(replies.limitExceeded, "presence");
  return { result: `{"presence":{${clients}}}`, channels: [name] };
}

async function presenceStats(call: Call): Promise<Answer> {
  const { hub } = call;
  const name = channelOf(call);
  await permit(call, "presence", name);
  const clients = hub.channels.get(name)?.subscriptions.size ?? 0;
  return { result: `{"num_clients":${clients},"num_users":${usersOn(hub, name)}}` };
}

async function history(call: Call): Promise<Answer> {
  const { hub, session, params } = call;
  const name = channelOf(call);
  const after = sinceOf(params);
  const limit = limitOf(call);
  const reverse = params.reverse === true;
  await permit(call, "history", name);
  const { codec, settings } = hub;
  const enough = settings.window;
  const slice = await session.ask("log", ({ signal }) =>
    reverse
      ? readBackwards(hub.log, name, { before: after, limit, enough, signal })
      : readPage(hub.log, name, { after, limit, enough, signal }),
  );
  const isForeign = after !== undefined && after.epoch !== "" && after.epoch !== slice.epoch;
  if (!slice.gapless || isForeign) throw new Refusal(replies.unrecoverable);
  const texts: string[] = [];
  let bytes = 0;
  for (const entry of slice.entries) {
    const text = codec.publication(entry);
    bytes += byteLength(text) + 1;
    // A reply takes one window at most; the client asks for the rest from where this one ends.
    if (bytes > enough && texts.length > 0) break;
    texts.push(text);
  }
  const result = `{"publications":[${texts.join(",")}],"offset":${slice.top},"epoch":${JSON.stringify(slice.epoch)}}`;
  return { result, channels: [name] };
}

/** Where a history begins; `{ offset: 0, epoch: "" }` means all that is in the log, trimmed at its start or not. */
function sinceOf({ since }: Params): Position | undefined {
  if (since === undefined) return undefined;
  if (!isObject(since)) throw new Refusal(replies.badRequest);
  const position = positionOf(since);
  return isStart(position) ? undefined : position;
}

/** No limit, or 0, asks for the position alone; a negative one for as much as there is. */
function limitOf({ hub, params: { limit = 0 } }: Call): number {
  const most = hub.settings.limits.history;
  if (!Number.isSafeInteger(limit)) throw new Refusal(replies.badRequest);
  return (limit as number) < 0 ? most : Math.min(limit as number, most);
}

async function rpc({ hub, session, params }: Call): Promise<Answer> {
  const { peer, id } = session;
  const { method, data } = params;
  if (typeof method !== "string") throw new Refusal(replies.badRequest);
  if (method === "run.cancel") return cancelRun({ hub, session }, data);
  if (method === "ack") {
    const wrong = acknowledge(session, data);
    if (wrong !== undefined) throw new Refusal(wrong);
    return { result: "{}" };
  }
  if (hub.rpc === undefined) throw new Refusal(replies.notAvailable);
  const handler = Object.hasOwn(hub.rpc, method) ? hub.rpc[method] : undefined;
  if (handler === undefined) throw new Refusal(replies.methodNotFound);
  const call = ({ signal }: Asking): unknown => handler(peer, { method, data, session: id, signal });
  const value = await session.ask("rpc", call);
  if (value === undefined) return { result: "{}" };
  try {
    return {
      result: `{"data":${hub.serialise(`the answer of ${method}`, value, { allowsUndefined: true })}}`,
    };
  } catch (error) {
    // An answer over the limit is the client's to know; one that JSON cannot hold is not.
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded, "publication");
    hub.report(error, "rpc", `session ${id}`);
    throw new Refusal(replies.internal);
  }
}

async function cancelRun({ hub, session }: Caller, data: unknown): Promise<Answer> {
  const { peer } = session;
  if (!isObject(data) || typeof data.run !== "string") throw new Refusal(replies.badRequest);
  if (data.reason !== undefined && typeof data.reason !== "string") throw new Refusal(replies.badRequest);
  const { run, reason } = data;
  // Whoever may not cancel it cannot tell by the time this takes whether there is such a run.
  const channel = channelOfRun(run);
  const isAuthorized =
    !hub.runs.isCancelledBy(peer.user, run) &&
    canBeChannel(channel, hub.settings.limits.channel) &&
    (await authorizes({ session }, "cancel", channel, reason));
  const status = hub.runs.cancelFor(peer.user, run, { isAuthorized, reason });
  return { result: `{"data":{"status":"${status}"}}` };
}
