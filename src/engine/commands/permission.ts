import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import type { Action } from "../../model/peer.ts";
import { runOfChannel } from "../../model/run.ts";
import { replies } from "../../wire/protocol.ts";
import { Refusal } from "../core/refusal.ts";
import { mayUse } from "../runs/run-access.ts";
import type { StoredRun } from "../runs/run-state.ts";
import type { HandlerCall } from "../sessions/handler-call.ts";
import type { Caller } from "./call.ts";

/**
 * Throws a Refusal for an action that is not allowed. A run decides who may use its channel. For any other channel the
 * peer's `authorize` decides. If `authorize` throws or is late, that is no refusal: the command fails with error 100,
 * so that the client may retry.
 */
export function permit(
  { hub, session }: Caller,
  type: Exclude<Action["type"], "cancel">,
  channel: string,
  data?: unknown,
): MaybePromise<void> {
  const id = runOfChannel(channel);
  if (id === undefined) return permitAs({ hub, session }, type, channel, data, undefined);
  return andThen(storedRun({ hub, session }, id), (stored) => {
    const ofRun = mayUse(hub.runs.get(id) ?? stored, session.peer.user, type);
    return ofRun === true ? undefined : permitAs({ hub, session }, type, channel, data, ofRun);
  });
}

/** Finds what the log says of a run that is not of this process. A log that is late or fails is no refusal. */
export function storedRun({ hub, session }: Caller, id: string): MaybePromise<StoredRun | undefined> {
  if (!hub.records.isKept || hub.runs.get(id) !== undefined) return undefined;
  return session.ask("log", ({ signal }) => hub.runs.stored(id, signal));
}

/** `ofRun` is what the run says, if the channel is that of a run. */
function permitAs(
  { session }: Caller,
  type: Exclude<Action["type"], "cancel">,
  channel: string,
  data: unknown,
  ofRun: boolean | undefined,
): MaybePromise<void> {
  const { peer } = session;
  // If the server subscribes a peer to a channel, the peer may also leave it, and subscribe again with recovery.
  if (type === "subscribe" && peer.channels?.includes(channel)) return;
  if (ofRun === false) throw new Refusal(replies.permissionDenied);
  return andThen(authorizes({ session }, type, channel, data), demand);
}

function demand(isAllowed: boolean): void {
  if (!isAllowed) throw new Refusal(replies.permissionDenied);
}

/**
 * Calls the peer's `authorize`. Returns false if there is none. If it throws or is late, throws a {@linkcode Refusal}
 * with error 100.
 */
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
