import { isName } from "../../base/check.ts";
import { ClosedError } from "../../model/errors.ts";
import { type Close, replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { Hub } from "../hub/hub.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Params } from "./params.ts";

/** The answer to a command: the JSON text of the result, and what to do once the reply is queued. */
export interface Answer {
  result: string;
  /** The channels whose content is in the result. */
  channels?: readonly string[];
  after?: () => void;
  /** Called instead of `after` if the reply is not sent. */
  abandon?: () => void;
}

/** The session that a command came from, and its notifier. */
export interface Caller {
  readonly hub: Hub;
  readonly session: LiveSession;
}

/** A command of a client. */
export interface Call extends Caller {
  readonly params: Params;
}

/** Returns the channel that a command names. Throws a Refusal if it is not a valid name. */
export function channelOf({ hub, params: { channel } }: Call): string {
  if (typeof channel !== "string" || channel === "") throw new Refusal(replies.badRequest);
  if (channel.length > hub.settings.limits.channel) throw new Refusal(replies.limitExceeded, "channel");
  if (!isName(channel)) throw new Refusal(replies.badRequest);
  return channel;
}

/** Closes a session in the middle of a command. The command then gets no reply. */
export function over(session: LiveSession, why: Close): never {
  session.revoke(why);
  throw new ClosedError(`Cannot go on: session ${session.id} is over`);
}
