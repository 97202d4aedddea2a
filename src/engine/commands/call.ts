import { isName } from "../../base/check.ts";
import { ClosedError } from "../../model/errors.ts";
import { type Close, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Params } from "./params.ts";

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

/** The channel that a command names, where it can be one. */
export function channelOf({ hub, params: { channel } }: Call): string {
  if (typeof channel !== "string" || channel === "") throw new Refusal(replies.badRequest);
  if (channel.length > hub.settings.limits.channel) throw new Refusal(replies.limitExceeded, "channel");
  if (!isName(channel)) throw new Refusal(replies.badRequest);
  return channel;
}

/** Ends a session in the middle of a command, which then goes unanswered. */
export function over(session: LiveSession, why: Close): never {
  session.revoke(why);
  throw new ClosedError(`Cannot go on: session ${session.id} is over`);
}
