import { acknowledge, takeWords } from "./acknowledgement.ts";
import type { Asking } from "./ask.ts";
import { readBackwards } from "./backwards.ts";
import { byteLength, exceeds } from "./bytes.ts";
import { canBeChannel } from "./check.ts";
import { connect, found, refresh } from "./connect.ts";
import { ClosedError } from "./errors.ts";
import type { Position } from "./log.ts";
import { readPage } from "./page.ts";
import { type Place, place } from "./place.ts";
import { usersOn } from "./presence.ts";
import {
  type Close,
  type Command,
  closes,
  type ErrorReply,
  FrameError,
  type Method,
  replies,
} from "./protocol.ts";
import {
  type Answer,
  authorizes,
  channelOf,
  isObject,
  naturalOf,
  type Params,
  permit,
  positionOf,
  Refusal,
} from "./request.ts";
import { channelOfRun } from "./run-task.ts";
import type { LiveSession } from "./session.ts";
import { andThen, type Soon } from "./soon.ts";
import { quitEarly } from "./tracking.ts";
import { errorOf, validate } from "./validate.ts";

/** Reads the commands in one message of a peer's. One that cannot be read closes the session. */
export function commandsIn(session: LiveSession, data: unknown): readonly Command[] {
  const { codec, settings } = session.hub;
  if (typeof data !== "string") session.close(closes.badRequest);
  else if (exceeds(data, settings.limits.message)) session.exceed("message", closes.messageTooBig);
  else {
    try {
      return codec.decode(data, settings.limits.depth);
    } catch (error) {
      if (!(error instanceof FrameError)) session.hub.report(error, "internal", `session ${session.id}`);
      session.close(closes.badRequest);
    }
  }
  return [];
}

/**
 * Answers one command of a session's, with an error where it is over the session's rate: at once, where nothing has to be
 * waited for. It never throws or rejects.
 */
export function answer(session: LiveSession, command: Command, isOver: boolean): Promise<void> | undefined {
  try {
    const answered = handle(session, command, isOver);
    if (answered instanceof Promise) return answerLater(session, command, answered);
    if (answered !== undefined) reply(session, command, answered);
  } catch (error) {
    refuse(session, command, error);
  }
  return undefined;
}

async function answerLater(
  session: LiveSession,
  command: Command,
  answering: Promise<Answer | undefined>,
): Promise<void> {
  try {
    const answered = await answering;
    if (answered !== undefined) reply(session, command, answered);
  } catch (error) {
    refuse(session, command, error);
  }
}

/** Does what a command asks for. What needs no answer has none. */
function handle(session: LiveSession, command: Command, isOver: boolean): Soon<Answer | undefined> {
  const { method, params } = command;
  if (isOver) throw new Refusal(replies.tooManyRequests, "rate");
  if (command.isDeep) throw new Refusal(replies.badRequest, "depth");
  // One that came ahead of the answer to connect has waited for it.
  if (method === "send") return takeWords(session, command) > 0 ? undefined : receive(session, params);
  if (method === "unknown") throw new Refusal(replies.methodNotFound);
  if (method === "ambiguous" || method === "pong") throw new Refusal(replies.badRequest);
  return handlers[method](session, params);
}

const none: readonly string[] = [];

/**
 * Characters that the first frame has at least, by spaces that JSON does not mind and the window does not count.
 *
 * A system acknowledges at once, at the sender's cost, what it has got that is longer together than the longest segment so
 * far, and before there was one than 536 bytes (Linux, `tcp_initialize_rcv_mss`): two small events. This saves up to a fifth.
 */
const firstFrame = 1_000;
/** So many at once, to be cut from: the engines take longer to repeat one. */
const spaces = " ".repeat(firstFrame);

function reply(session: LiveSession, { id, method }: Command, answered: Answer): void {
  const { result, channels = none, after, abandon } = answered;
  if (channels.some((name) => session.out.isWithheld(name))) {
    abandon?.();
    if (method === "connect") return session.revoke(closes.reconnect);
    throw new Refusal(replies.permissionDenied);
  }
  if (abandon !== undefined && session.hub.flushing) {
    // Closing has counted who is to get what. The client comes back, and asks again.
    abandon();
    throw new Refusal(replies.internal);
  }
  const { text, bytes } = session.hub.replies.write(id, method as Method, result);
  session.put(method === "connect" ? text + spaces.slice(text.length) : text, bytes);
  session.out.answered(channels);
  after?.();
}

function refuse(session: LiveSession, { id, method }: Command, error: unknown): void {
  const reply = errorReply(session, error);
  // Nobody waits for an answer to what has no id, or came from who is gone.
  if (id === 0 || !session.isOpen) return;
  session.hub.tally.error(reply.code);
  session.put(session.hub.codec.error(id, reply));
  // A client waits for its connect reply, and knows what to do after a close.
  if (method === "connect") session.close(closeOf(reply));
}

/** Why a connection ends whose connect command was answered with an error. */
function closeOf({ code }: ErrorReply): Close {
  if (code === replies.tokenExpired.code) return closes.expired;
  return code === replies.limitExceeded.code ? closes.channelLimit : closes.internal;
}

function errorReply({ id, hub }: LiveSession, error: unknown): ErrorReply {
  if (error instanceof Refusal) {
    if (error.limit !== undefined) hub.tally.hit(error.limit);
    return error.reply;
  }
  if (error instanceof ClosedError) return replies.notAvailable;
  hub.report(error, "internal", `session ${id}`);
  return replies.internal;
}

const handlers: Record<Method, (session: LiveSession, params: Params) => Soon<Answer>> = {
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

function subscribe(session: LiveSession, params: Params): Soon<Answer> {
  const name = channelOf(session, params);
  if (params.type !== undefined && params.type !== 0) throw new Refusal(replies.notAvailable);
  if (session.subscriptions.has(name)) throw new Refusal(replies.alreadySubscribed);
  if (session.subscriptions.size >= session.hub.settings.limits.subscriptions)
    throw new Refusal(replies.limitExceeded, "subscriptions");
  const flag = naturalOf(params, "flag");
  positionOf(params);
  const joins = params.join_leave === true;
  const permitted = andThen(permit(session, "subscribe", name, params.data), () =>
    joins ? permit(session, "presence", name) : undefined,
  );
  const find = (): Soon<Place> => place(session, name, params);
  const abandonLate = (late: Place): void => late.abandon();
  const placed = andThen(permitted, () => found(session, find, abandonLate));
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
  await session.ask("log", ({ signal }) => session.hub.append(name, data, { signal }));
  return { result: "{}" };
}

/**
 * What the schemas make of it. A client is not told why they refuse; whoever wrote one that is at fault is, and the client
 * that it failed for now.
 */
function valid({ id, hub }: LiveSession, channel: string, data: unknown): unknown {
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
function encode({ hub }: LiveSession, data: unknown): string {
  try {
    return hub.serialise("the payload", data);
  } catch (error) {
    if (error instanceof RangeError) throw new Refusal(replies.limitExceeded, "publication");
    throw new Refusal(replies.badRequest);
  }
}

async function presence(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  await permit(session, "presence", name);
  const { codec, settings } = session.hub;
  const subscriptions = session.hub.channels.get(name)?.subscriptions;
  if ((subscriptions?.size ?? 0) > settings.limits.presence)
    throw new Refusal(replies.limitExceeded, "presence");
  const clients: string[] = [];
  let bytes = 0;
  for (const { session: each } of subscriptions ?? []) {
    const client = `"${each.id}":${codec.clientInfo(each.info)}`;
    bytes += byteLength(client) + 1;
    if (bytes > settings.window) throw new Refusal(replies.limitExceeded, "presence");
    clients.push(client);
  }
  return { result: `{"presence":{${clients.join(",")}}}`, channels: [name] };
}

async function presenceStats(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  await permit(session, "presence", name);
  const { hub } = session;
  const clients = hub.channels.get(name)?.subscriptions.size ?? 0;
  return { result: `{"num_clients":${clients},"num_users":${usersOn(hub, name)}}` };
}

async function history(session: LiveSession, params: Params): Promise<Answer> {
  const name = channelOf(session, params);
  const after = sinceOf(params);
  const limit = limitOf(session, params);
  const reverse = params.reverse === true;
  await permit(session, "history", name);
  const { codec, settings } = session.hub;
  const enough = settings.window;
  const slice = await session.ask("log", ({ signal }) =>
    reverse
      ? readBackwards(session.hub, name, { before: after, limit, enough, signal })
      : readPage(session.hub, name, { after, limit, enough, signal }),
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
  return position.offset === 0 && position.epoch === "" ? undefined : position;
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

async function cancelRun(session: LiveSession, data: unknown): Promise<Answer> {
  const { hub, peer } = session;
  if (!isObject(data) || typeof data.run !== "string") throw new Refusal(replies.badRequest);
  if (data.reason !== undefined && typeof data.reason !== "string") throw new Refusal(replies.badRequest);
  const { run, reason } = data;
  // Whoever may not cancel it cannot tell by the time this takes whether there is such a run.
  const channel = channelOfRun(run);
  const isAuthorized =
    !hub.runs.isCancelledBy(peer.user, run) &&
    canBeChannel(channel, hub.settings.limits.channel) &&
    (await authorizes(session, "cancel", channel, reason));
  const status = hub.runs.cancelFor(peer.user, run, { isAuthorized, reason });
  return { result: `{"data":{"status":"${status}"}}` };
}

async function receive(session: LiveSession, params: Params): Promise<undefined> {
  const { peer } = session;
  const hear = peer.receive;
  try {
    if (hear !== undefined) await session.ask("send", () => hear(peer, params.data));
  } catch {
    // Nobody waits for an answer; what goes wrong has been reported.
  }
}
