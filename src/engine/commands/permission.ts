import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import type { Action } from "../../model/peer.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import type { HandlerCall } from "../sessions/handler-call.ts";
import type { Caller } from "./call.ts";

/**
 * Refuses what is not allowed. A run's channel belongs to whoever may follow the run; any other is up to the peer's
 * `authorize`. Where that throws or is late nobody has refused: the command fails with error 100, and may be tried again.
 */
export function permit(
  { hub, session }: Caller,
  type: Exclude<Action["type"], "cancel">,
  channel: string,
  data?: unknown,
): MaybePromise<void> {
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
): MaybePromise<boolean> {
  const { peer } = session;
  const { authorize } = peer;
  if (authorize === undefined) return false;
  const ask = ({ signal }: HandlerCall): MaybePromise<boolean> =>
    authorize(peer, { type, channel, data, signal });
  return andThen(session.ask("authorize", ask), isYes);
}

function isYes(allowed: unknown): boolean {
  return allowed === true;
}
