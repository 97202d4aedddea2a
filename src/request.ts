import type { Position } from "./log.ts";
import type { Action } from "./peer.ts";
import { type ErrorReply, replies } from "./protocol.ts";
import type { LiveSession } from "./session.ts";

/** What a client sent along with a command: nothing in it is checked yet. */
export type Params = Readonly<Record<string, unknown>>;

/** Thrown to answer a command with an error. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly reply: ErrorReply;
  constructor(reply: ErrorReply) {
    super(reply.message);
    this.reply = reply;
  }
}

/**
 * Refuses what is not allowed. A run's channel belongs to whoever may follow the run; any other is up to the peer's
 * `authorize`, and a throw there refuses like a no.
 */
export async function permit(
  session: LiveSession,
  type: Action["type"],
  channel: string,
  data?: unknown,
): Promise<void> {
  const { hub, peer } = session;
  const ofRun = hub.runs.allows(peer.user, channel, type);
  if (ofRun === true) return;
  // What the server subscribes a peer to it may also leave, and come back to from where it was.
  if (type === "subscribe" && peer.channels?.includes(channel)) return;
  const { authorize } = peer;
  if (ofRun === false || authorize === undefined) throw new Refusal(replies.permissionDenied);
  const ask = (signal: AbortSignal): boolean | Promise<boolean> =>
    authorize(peer, { type, channel, data, signal });
  const allowed = await session.ask("authorize", ask).catch(() => false);
  if (allowed !== true) throw new Refusal(replies.permissionDenied);
}

export function channelOf(session: LiveSession, { channel }: Params): string {
  if (typeof channel !== "string" || channel === "") throw new Refusal(replies.badRequest);
  if (channel.length > session.hub.settings.limits.channel) throw new Refusal(replies.limitExceeded);
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
