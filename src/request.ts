import type { Asking } from "./ask.ts";
import { isName } from "./check.ts";
import type { Position } from "./log.ts";
import type { Action } from "./peer.ts";
import { type ErrorReply, replies } from "./protocol.ts";
import type { LiveSession } from "./session.ts";
import { andThen, type Soon } from "./soon.ts";
import type { LimitName } from "./totals.ts";

/** What a client sent along with a command: nothing in it is checked yet. */
export type Params = Readonly<Record<string, unknown>>;

/** What answers a command: the result's JSON text, and what is done once that is in the queue. */
export interface Answer {
  result: string;
  /** The channels whose content is in it. */
  channels?: readonly string[];
  after?: () => void;
  /** What is done instead, where nothing may begin any more. */
  abandon?: () => void;
}

/** Thrown to answer a command with an error. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reply: ErrorReply;
  /** The limit that the command is over, where that is why. */
  readonly limit: LimitName | undefined;
  constructor(reply: ErrorReply, limit?: LimitName) {
    super(reply.message);
    this.reply = reply;
    this.limit = limit;
  }
}

/**
 * Refuses what is not allowed. A run's channel belongs to whoever may follow the run; any other is up to the peer's
 * `authorize`, and a throw there refuses like a no.
 */
export function permit(
  session: LiveSession,
  type: Exclude<Action["type"], "cancel">,
  channel: string,
  data?: unknown,
): Soon<void> {
  const { hub, peer } = session;
  const ofRun = hub.runs.allows(peer.user, channel, type);
  if (ofRun === true) return;
  // What the server subscribes a peer to it may also leave, and come back to from where it was.
  if (type === "subscribe" && peer.channels?.includes(channel)) return;
  if (ofRun === false) throw new Refusal(replies.permissionDenied);
  return andThen(authorizes(session, type, channel, data), demand);
}

function demand(isAllowed: boolean): void {
  if (!isAllowed) throw new Refusal(replies.permissionDenied);
}

/** Asks the peer's `authorize`. A throw refuses like a no, and so does having none. */
export function authorizes(
  session: LiveSession,
  type: Action["type"],
  channel: string,
  data: unknown,
): Soon<boolean> {
  const { peer } = session;
  const { authorize } = peer;
  if (authorize === undefined) return false;
  const ask = ({ signal }: Asking): Soon<boolean> => authorize(peer, { type, channel, data, signal });
  try {
    const allowed = session.ask("authorize", ask);
    return allowed instanceof Promise ? allowed.then(isYes, () => false) : isYes(allowed);
  } catch {
    return false;
  }
}

function isYes(allowed: unknown): boolean {
  return allowed === true;
}

export function channelOf(session: LiveSession, { channel }: Params): string {
  if (typeof channel !== "string" || channel === "") throw new Refusal(replies.badRequest);
  if (channel.length > session.hub.settings.limits.channel)
    throw new Refusal(replies.limitExceeded, "channel");
  if (!isName(channel)) throw new Refusal(replies.badRequest);
  return channel;
}

export function positionOf(params: Params): Position {
  const { epoch = "" } = params;
  if (typeof epoch !== "string") throw new Refusal(replies.badRequest);
  return { offset: naturalOf(params, "offset"), epoch };
}

export function naturalOf(params: Params, name: string): number {
  const value = params[name] ?? 0;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new Refusal(replies.badRequest);
  return value;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
