import { isName, isNatural } from "../../base/check.ts";
import { andThen, type Soon } from "../../base/maybe-promise.ts";
import type { Position } from "../../model/log.ts";
import type { Action } from "../../model/peer.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import type { Asking } from "../sessions/handler-call.ts";
import type { LiveSession } from "../sessions/session.ts";

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

/** Who asks: a session of a notifier's. */
export interface Caller {
  readonly hub: Hub;
  readonly session: LiveSession;
}

/** A command of a client's. */
export interface Call extends Caller {
  readonly params: Params;
}

/**
 * Refuses what is not allowed. A run's channel belongs to whoever may follow the run; any other is up to the peer's
 * `authorize`. Where that throws or is late nobody has refused: the command fails with error 100, and may be tried again.
 */
export function permit(
  { hub, session }: Caller,
  type: Exclude<Action["type"], "cancel">,
  channel: string,
  data?: unknown,
): Soon<void> {
  const { peer } = session;
  const ofRun = hub.runs.allows(peer.user, channel, type);
  if (ofRun === true) return;
  // What the server subscribes a peer to it may also leave, and come back to from where it was.
  if (type === "subscribe" && peer.channels?.includes(channel)) return;
  if (ofRun === false) throw new Refusal(replies.permissionDenied);
  return andThen(authorizes({ session }, type, channel, data), demand);
}

function demand(isAllowed: boolean): void {
  if (!isAllowed) throw new Refusal(replies.permissionDenied);
}

/** Asks the peer's `authorize`; having none refuses. What goes wrong there is thrown as a {@linkcode Refusal} with error 100. */
export function authorizes(
  { session }: Pick<Caller, "session">,
  type: Action["type"],
  channel: string,
  data: unknown,
): Soon<boolean> {
  const { peer } = session;
  const { authorize } = peer;
  if (authorize === undefined) return false;
  const ask = ({ signal }: Asking): Soon<boolean> => authorize(peer, { type, channel, data, signal });
  return andThen(session.ask("authorize", ask), isYes);
}

function isYes(allowed: unknown): boolean {
  return allowed === true;
}

export function channelOf({ hub, params: { channel } }: Call): string {
  if (typeof channel !== "string" || channel === "") throw new Refusal(replies.badRequest);
  if (channel.length > hub.settings.limits.channel) throw new Refusal(replies.limitExceeded, "channel");
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
  if (!isNatural(value)) throw new Refusal(replies.badRequest);
  return value;
}
