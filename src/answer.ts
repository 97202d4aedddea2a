import { acknowledge, takeWord } from "./acknowledgement.ts";
import { byteLength, exceeds } from "./bytes.ts";
import { ClosedError } from "./errors.ts";
import type { Entry, Position } from "./log.ts";
import { type Place, place } from "./place.ts";
import { type Command, closes, type ErrorReply, FrameError, type Method, replies } from "./protocol.ts";
import { channelOf, isObject, naturalOf, type Params, permit, positionOf, Refusal } from "./request.ts";
import type { LiveSession } from "./session.ts";
import { errorOf, validate } from "./validate.ts";
import { version } from "./version.ts";

/** What answers a command: the result's JSON text, and what is done once that is in the queue. */
interface Answer {
  result: string;
  after?: () => void;
  /** What is done instead, where nothing may begin any more. */
  abandon?: () => void;
}

/** Reads the commands in one message of a peer's. One that cannot be read closes the session. */
export function commandsIn(session: LiveSession, data: unknown): readonly Command[] {
  const { codec, settings } = session.hub;
  if (typeof data !== "string") session.close(closes.badRequest);
  else if (exceeds(data, settings.limits.message)) session.close(closes.messageTooBig);
  else {
    try {
      return codec.decode(data);
    } catch (error) {
      if (!(error instanceof FrameError)) session.hub.report(error, "internal", `session ${session.id}`);
      session.close(closes.badRequest);
    }
  }
  return [];
}

/** Answers one command of a session's. It never rejects. */
export async function answer(session: LiveSession, command: Command): Promise<void> {
  const { id, method, params } = command;
  try {
    // One that came ahead of the answer to connect has waited for it.
    if (method === "send") return takeWord(session, command) ? undefined : await receive(session, params);
    if (method === "unknown") throw new Refusal(replies.methodNotFound);
    if (method === "ambiguous" || method === "pong") throw new Refusal(replies.badRequest);
    const { result, after, abandon } = await handlers[method](session, params);
    if (abandon !== undefined && session.hub.flushing) {
      // Closing has counted who is to get what. The client comes back, and asks again.
      abandon();
      throw new Refusal(replies.internal);
    }
    session.reply(id, method, result);
    after?.();
  } catch (error) {
    session.put(session.hub.codec.error(id, errorReply(session, error)));
    // A client waits for its connect reply, and knows to come back after a close.
    if (method === "connect") session.close(closes.internal);
  }
}

function errorReply(session: LiveSession, error: unknown): ErrorReply {
  if (error instanceof Refusal) return error.reply;
  if (error instanceof ClosedError) return replies.notAvailable;
  session.hub.report(error, "internal", `session ${session.id}`);
  return replies.internal;
}

const handlers: Record<Method, (session: LiveSession, params: Params) => Answer | Promise<Answer>> = {
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

async function connect(session: LiveSession, params: Params): Promise<Answer> {
  const { hub } = session;
  const wanted = isObject(params.subs) ? params.subs : {};
  const abandonAll = (places: Map<string, Place>): void => {
    for (const { abandon } of places.values()) abandon();
  };
  const places = await found(session, () => placeAll(session, wanted), abandonAll);
  const subs = Array.from(places, ([name, { result }]) => `${JSON.stringify(name)}:${result}`).join(",");
  const heartbeat = Math.max(1, Math.ceil(hub.settings.heartbeat / 1000));
  const result =
    `{"client":"${session.id}","version":"tocsin ${version}","ping":${heartbeat},"pong":true` +
    `${expiry(session)}${subs === "" ? "" : `,"subs":{${subs}}`}}`;
  return {
    result,
    after: () => {
      session.connected();
      for (const { commit } of places.values()) commit(true, false);
    },
    abandon: () => abandonAll(places),
  };
}

/** Places of all the channels that the server subscribes a peer to. They share one reply, and so one window. */
async function placeAll(session: LiveSession, wanted: Params): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  let { room } = session.window;
  try {
    for (const name of new Set(session.peer.channels)) {
      const request = Object.hasOwn(wanted, name) ? wanted[name] : undefined;
      const found = await place(session, name, isObject(request) ? request : {}, room);
      places.set(name, found);
      room -= found.bytes;
    }
    return places;
  } catch (error) {
    for (const { abandon } of places.values()) abandon();
    throw error;
  }
}

/** Looks for places, and abandons what comes too late for whoever asked. */
function found<T>(session: LiveSession, find: () => Promise<T>, abandon: (late: T) => void): Promise<T> {
  let kept: { value: T } | undefined;
  const asked = session.ask("log", async (signal) => {
    const value = await find();
    if (signal.aborted) abandon(value);
    else kept = { value };
    return value;
  });
  // The session may end after it was found, and before that was heard here.
  asked.catch(() => {
    if (kept !== undefined) abandon(kept.value);
  });
  return asked;
}

/**
 * When the client should come with a new token: a fifth, and at most 10 s, before the old one ends. A peer that cannot
 * refresh is not told, since its client would give up for want of a token, where coming back is all it takes.
 */
function expiry(session: LiveSession): string {
  if (session.peer.refresh === undefined || session.pulse.remaining === Number.POSITIVE_INFINITY) return "";
  const ahead = Math.min(10_000, session.pulse.remaining / 5);
  return `,"expires":true,"ttl":${Math.max(1, Math.floor((session.pulse.remaining - ahead) / 1000))}`;
}

async function subscribe(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  if (params.type !== undefined && params.type !== 0) throw new Refusal(replies.notAvailable);
  if (session.subscriptions.has(name)) throw new Refusal(replies.alreadySubscribed);
  if (session.subscriptions.size >= session.hub.settings.limits.subscriptions)
    throw new Refusal(replies.limitExceeded);
  const flag = naturalOf(params, "flag");
  positionOf(params);
  await permit(session, "subscribe", name, params.data);
  const joins = params.join_leave === true;
  if (joins) await permit(session, "presence", name);
  const { result, recovered, commit, abandon } = await found(
    session,
    () => place(session, name, params, session.window.room),
    (late) => late.abandon(),
  );
  if (params.recover === true && !recovered && (flag & rejectUnrecovered) !== 0) {
    abandon();
    throw new Refusal(replies.unrecoverable);
  }
  return { result, after: () => commit(false, joins), abandon };
}

/** The subscribe flag that asks for an error instead of `recovered: false`. */
const rejectUnrecovered = 2;

function unsubscribe(session: LiveSession, params: Params): Answer {
  const subscription = session.subscriptions.get(channelOf(session, params));
  if (subscription !== undefined) session.drop(subscription);
  return { result: "{}" };
}

async function publish(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  if (!Object.hasOwn(params, "data")) throw new Refusal(replies.badRequest);
  await permit(session, "publish", name, params.data);
  const data = encode(session, valid(session, name, params.data));
  await session.ask("log", (signal) => session.hub.append(name, data, { signal }));
  return { result: "{}" };
}

/** What the schemas make of it. A client is not told why they refuse; whoever wrote one that is at fault is. */
function valid({ id, hub }: LiveSession, channel: string, data: unknown): unknown {
  if (hub.events === undefined) return data;
  const validation = validate(hub.events, data);
  if ("event" in validation) return validation.event;
  if (validation.isFault) {
    const where = `to ${JSON.stringify(channel)}`;
    hub.report(errorOf(validation, { verb: "publish", where }), "publish", `session ${id}`);
  }
  throw new Refusal(replies.badRequest);
}

/** What came as JSON may still be nested too deep to be written again. */
function encode({ hub }: LiveSession, data: unknown): string {
  try {
    return hub.serialise("the payload", data);
  } catch (error) {
    throw new Refusal(error instanceof RangeError ? replies.limitExceeded : replies.badRequest);
  }
}

async function presence(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  await permit(session, "presence", name);
  const { codec } = session.hub;
  const clients = Array.from(present(session, name), ({ id, info }) => `"${id}":${codec.clientInfo(info)}`);
  return { result: `{"presence":{${clients.join(",")}}}` };
}

async function presenceStats(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  await permit(session, "presence", name);
  const sessions = present(session, name);
  const users = new Set(sessions.map(({ peer }) => peer.user));
  return { result: `{"num_clients":${sessions.length},"num_users":${users.size}}` };
}

function present(session: LiveSession, name: string): LiveSession[] {
  return Array.from(
    session.hub.channels.get(name)?.subscriptions ?? [],
    (subscription) => subscription.session,
  );
}

async function history(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  const after = sinceOf(params);
  const limit = limitOf(session, params);
  const reverse = params.reverse === true;
  await permit(session, "history", name);
  const slice = await session.ask("log", (signal) =>
    session.hub.read(name, reverse ? { signal } : { after, limit, signal }),
  );
  const isForeign = after !== undefined && after.epoch !== "" && after.epoch !== slice.epoch;
  if (!slice.gapless || isForeign) throw new Refusal(replies.unrecoverable);
  const entries = reverse ? backwards(slice.entries, after, limit) : slice.entries;
  const { codec, settings } = session.hub;
  const texts: string[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const text = codec.publication(entry);
    bytes += byteLength(text) + 1;
    // A reply takes one window at most; the client asks for the rest from where this one ends.
    if (bytes > settings.window && texts.length > 0) break;
    texts.push(text);
  }
  const result = `{"publications":[${texts.join(",")}],"offset":${slice.top},"epoch":${JSON.stringify(slice.epoch)}}`;
  return { result };
}

/** Where a history begins; `{ offset: 0, epoch: "" }` means all that is in the log, trimmed at its start or not. */
function sinceOf({ since }: Params): Position | undefined {
  if (since === undefined) return undefined;
  if (!isObject(since)) throw new Refusal(replies.badRequest);
  const position = positionOf(since);
  return position.offset === 0 && position.epoch === "" ? undefined : position;
}

function backwards(entries: readonly Entry[], before: Position | undefined, limit: number): Entry[] {
  const wanted = before === undefined ? entries : entries.filter(({ offset }) => offset < before.offset);
  return wanted.slice(Math.max(0, wanted.length - limit)).reverse();
}

/** No limit, or 0, asks for the position alone; a negative one for as much as there is. */
function limitOf(session: LiveSession, params: Params): number {
  const { limit = 0 } = params;
  const most = session.hub.settings.limits.history;
  if (typeof limit !== "number" || !Number.isSafeInteger(limit)) throw new Refusal(replies.badRequest);
  return limit < 0 ? most : Math.min(limit, most);
}

async function rpc(session: LiveSession, params: Params): Promise<Answer> {
  const { hub, peer, id } = session;
  const { method, data } = params;
  if (typeof method !== "string") throw new Refusal(replies.badRequest);
  if (method === "run.cancel") return cancelRun(session, data);
  if (method === "ack") {
    acknowledge(session, data);
    return { result: "{}" };
  }
  if (hub.rpc === undefined) throw new Refusal(replies.notAvailable);
  const handler = Object.hasOwn(hub.rpc, method) ? hub.rpc[method] : undefined;
  if (handler === undefined) throw new Refusal(replies.methodNotFound);
  const call = (signal: AbortSignal): unknown => handler(peer, { method, data, session: id, signal });
  const value = await session.ask("rpc", call);
  if (value === undefined) return { result: "{}" };
  try {
    return {
      result: `{"data":${hub.serialise(`the answer of ${method}`, value, { allowsUndefined: true })}}`,
    };
  } catch (error) {
    // An answer over the limit is the client's to know; one that JSON cannot hold is not.
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded);
    hub.report(error, "rpc", `session ${id}`);
    throw new Refusal(replies.internal);
  }
}

function cancelRun({ hub, peer }: LiveSession, data: unknown): Answer {
  if (!isObject(data) || typeof data.run !== "string") throw new Refusal(replies.badRequest);
  if (data.reason !== undefined && typeof data.reason !== "string") throw new Refusal(replies.badRequest);
  const status = hub.runs.cancelFor(peer.user, data.run, data.reason);
  return { result: `{"data":{"status":"${status}"}}` };
}

async function refresh(session: LiveSession, params: Params): Promise<Answer> {
  const { hub, peer } = session;
  const check = peer.refresh;
  const { token } = params;
  if (check === undefined) throw new Refusal(replies.notAvailable);
  if (typeof token !== "string" || token === "") throw new Refusal(replies.badRequest);
  const expires = await session.ask("refresh", () => check(peer, token));
  if (typeof expires !== "number" || Number.isNaN(expires)) {
    session.revoke(closes.invalidToken);
    throw new Refusal(replies.unauthorized);
  }
  if (expires <= hub.clock.time()) throw new Refusal(replies.tokenExpired);
  session.pulse.extend(expires);
  return { result: `{"client":"${session.id}","version":"tocsin ${version}"${expiry(session)}}` };
}

async function receive(session: LiveSession, params: Params): Promise<void> {
  const { peer } = session;
  const hear = peer.receive;
  // Nobody waits for an answer; what goes wrong has been reported.
  if (hear !== undefined) await session.ask("send", () => hear(peer, params.data)).catch(() => {});
}
