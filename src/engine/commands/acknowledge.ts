import { isNatural, isObject } from "../../base/check.ts";
import type { Position } from "../../model/log.ts";
import { type Command, type ErrorReply, replies } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { deliveryStateOf } from "../delivery/delivery-state.ts";
import type { DeliveryState, Subscription } from "../delivery/subscription.ts";
import type { Hub } from "../hub/hub.ts";
import type { LiveSession } from "../sessions/session.ts";
import { flag } from "../sessions/session-flags.ts";

/**
 * Handles the acknowledgements of a `send` or `rpc`, and the intent of an `unsubscribe`, when the command arrives. A
 * `send` is then finished. An `rpc` or `unsubscribe` is also answered later.
 *
 * Returns 0 if the command acknowledges nothing, and otherwise 1 plus the number of acknowledged channels. In a `send`
 * the invalid entries are ignored without an error, and the other entries count.
 */
export function takeAcknowledgements(session: LiveSession, { method, params }: Command): number {
  if (method === "send") {
    const acknowledgements = acknowledgementsIn(params.data);
    return acknowledgements === undefined ? 0 : take(session, acknowledgements);
  }
  if (method === "unsubscribe") {
    // Params are not checked. The conversion of an object to a string could throw.
    const { channel } = params;
    const subscription = typeof channel === "string" ? session.subscriptions.get(channel) : undefined;
    if (subscription !== undefined) session.quit(subscription);
    return 0;
  }
  if (method !== "rpc" || params.method !== "ack") return 0;
  acknowledge(session, params.data);
  return 1 + Object.keys(acknowledgementsIn(params.data) ?? {}).length;
}

/** Records all acknowledgements. If one of them is invalid, records none and returns the error. */
export function acknowledge(session: LiveSession, data: unknown): ErrorReply | undefined {
  const acknowledgements = acknowledgementsIn(data);
  if (acknowledgements === undefined) return replies.badRequest;
  note(session);
  for (const channel in acknowledgements) {
    const error = errorIn(session, channel, acknowledgements[channel]);
    if (error !== undefined) return error;
  }
  take(session, acknowledgements);
  return undefined;
}

function acknowledgementsIn(data: unknown): Acknowledgements | undefined {
  return isObject(data) && isObject(data.ack) ? data.ack : undefined;
}

/**
 * Records the valid acknowledgements. Peers can send thousands of invalid ones, so those allocate and throw nothing.
 */
function take(session: LiveSession, acknowledgements: Acknowledgements): number {
  note(session);
  let count = 1;
  for (const channel in acknowledgements) {
    count++;
    const position = acknowledgements[channel];
    if (errorIn(session, channel, position) !== undefined) continue;
    const subscription = session.subscriptions.get(channel);
    if (subscription !== undefined)
      advance(session.context, subscription, (position as Partial<Position>).offset ?? 0);
  }
  return count;
}

function note(session: LiveSession): void {
  session.acknowledges = true;
  session.note(false);
}

/** An object from JSON: it has no inherited members. */
type Acknowledgements = Readonly<Record<string, unknown>>;

/** Returns the error of an acknowledgement that cannot be true. A lower offset than before is valid. */
function errorIn(session: LiveSession, channel: string, position: unknown): ErrorReply | undefined {
  if (!isObject(position)) return replies.badRequest;
  const { epoch = "" } = position;
  const offset = position.offset ?? 0;
  if (!isNatural(offset) || typeof epoch !== "string") return replies.badRequest;
  const subscription = session.subscriptions.get(channel);
  if (subscription === undefined) return replies.permissionDenied;
  if (epoch !== subscription.channel.epoch) return replies.unrecoverable;
  const { proof, cursor } = subscription;
  if (offset <= session.window.writtenOf(proof, cursor)) return undefined;
  // An earlier process may have sent it after the state was taken.
  const mayBeSent = (session.flags & flag.stale) !== 0 && offset <= subscription.channel.top;
  return mayBeSent ? undefined : replies.badRequest;
}

/** Records that a client has everything up to an offset. It is not sent what it has of an earlier process again. */
function advance({ clock }: Context, subscription: Subscription, offset: number): void {
  const before = Math.max(subscription.acknowledged, subscription.proof.since);
  subscription.acknowledgedAt = clock.time();
  if (offset > subscription.cursor) subscription.cursor = offset;
  if (offset <= before) return;
  subscription.acknowledged = offset;
  subscription.channel.deliveries?.reached(
    subscription.epoch,
    deliveryStateOf(subscription),
    "acknowledged",
    before,
  );
}

/** Handles an `unsubscribe` that arrived before the reply that confirms the subscription. */
export function quitEarly(session: LiveSession, channel: string): void {
  const subscription = session.subscriptions.get(channel);
  if (subscription !== undefined && session.queue.isQuitting(channel)) session.quit(subscription);
}

/** The maximum number of a user's sessions in which the earlier session of a returning client is looked for. */
const maxSessions = 100;

/** A client that comes back: all that is known of who it is. */
interface Returned {
  readonly hub: Hub;
  readonly session: Pick<LiveSession, "identity">;
}

/**
 * Records an acknowledgement for a client that comes back. The offset that it sends means that it has what it was sent
 * up to there.
 *
 * A user may have several clients, which cannot be told apart. The acknowledgement counts for the shortest stretch of
 * publications that the client may come from, and never for anything that this notifier did not send. If a user has
 * more than `maxSessions` sessions, nothing is recorded. All of them may come back at once, and each would have to be
 * compared with all others.
 */
export function resumed(
  { hub, session: { identity } }: Returned,
  channel: string,
  { epoch, offset }: Position,
): void {
  const { ledger } = hub;
  if (hub.sessions.countOf(identity) > maxSessions) return;
  let from: DeliveryState | undefined;
  let subscription: Subscription | undefined;
  let earlier: LiveSession | undefined;
  for (const left of ledger.known.departed.get(channel, { epoch, offset }, identity)) {
    if (isNearer(left, offset, from)) from = left;
  }
  // The earlier connection may not have been closed yet.
  for (const session of hub.sessions.of(identity)) {
    const present = session.subscriptions.get(channel);
    if (present?.channel.epoch !== epoch) continue;
    const state = deliveryStateOf(present);
    if (!isNearer(state, offset, from)) continue;
    from = state;
    subscription = present;
    earlier = session;
  }
  if (from === undefined) return;
  earlier?.note(false);
  if (subscription !== undefined) return advance(hub, subscription, offset);
  const before = from.acknowledged;
  for (const level of ["read", "acknowledged", "discharged"] as const)
    from[level] = Math.max(from[level], offset);
  from.time = hub.clock.time();
  ledger.of(channel)?.reached(epoch, from, "acknowledged", before);
}

/** Returns whether an offset lies in what was sent, and this stretch begins later than the stretch of `than`. */
function isNearer(
  { since, written }: DeliveryState,
  offset: number,
  than: DeliveryState | undefined,
): boolean {
  return since < offset && offset <= written && since > (than?.since ?? -1);
}
