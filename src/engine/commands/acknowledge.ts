import { isNatural, isObject } from "../../base/check.ts";
import type { Position } from "../../model/log.ts";
import { type Command, type ErrorReply, replies } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { deliveryStateOf } from "../delivery/delivery-state.ts";
import type { DeliveryState, Subscription } from "../delivery/subscription.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Caller } from "./call.ts";

/**
 * Takes what a client says it has, or no longer wants, at once: as `send`, which ends with that, or as `rpc` or
 * `unsubscribe`, which are answered besides.
 *
 * Answers how many acknowledgements that were: none, where it says neither. In a `send` nobody hears of what is wrong, and the rest
 * of it counts.
 */
export function takeAcknowledgements(session: LiveSession, { method, params }: Command): number {
  if (method === "send") {
    const acknowledgements = acknowledgementsIn(params.data);
    return acknowledgements === undefined ? 0 : take(session, acknowledgements);
  }
  if (method === "unsubscribe") {
    // Of an object, even its text could be one that throws.
    const { channel } = params;
    const subscription = typeof channel === "string" ? session.subscriptions.get(channel) : undefined;
    if (subscription !== undefined) session.quit(subscription);
    return 0;
  }
  if (method !== "rpc" || params.method !== "ack") return 0;
  acknowledge(session, params.data);
  return 1 + Object.keys(acknowledgementsIn(params.data) ?? {}).length;
}

/** Takes all that a client says it has, or nothing, and answers why. */
export function acknowledge(session: LiveSession, data: unknown): ErrorReply | undefined {
  const acknowledgements = acknowledgementsIn(data);
  if (acknowledgements === undefined) return replies.badRequest;
  session.acknowledges = true;
  for (const channel in acknowledgements) {
    const wrong = wrongIn(session, channel, acknowledgements[channel]);
    if (wrong !== undefined) return wrong;
  }
  take(session, acknowledgements);
  return undefined;
}

function acknowledgementsIn(data: unknown): Acknowledgements | undefined {
  return isObject(data) && isObject(data.ack) ? data.ack : undefined;
}

/** Takes what can be true. Peers can send thousands that cannot: nothing is made or thrown for one. */
function take(session: LiveSession, acknowledgements: Acknowledgements): number {
  session.acknowledges = true;
  let count = 1;
  for (const channel in acknowledgements) {
    count++;
    const said = acknowledgements[channel];
    if (wrongIn(session, channel, said) !== undefined) continue;
    const subscription = session.subscriptions.get(channel);
    if (subscription !== undefined)
      hear(session.context, subscription, (said as Partial<Position>).offset ?? 0);
  }
  return count;
}

/** As JSON has them: nothing is inherited. */
type Acknowledgements = Readonly<Record<string, unknown>>;

/** Why a client's word on one channel cannot be true; one that says less than before can. */
function wrongIn(session: LiveSession, channel: string, said: unknown): ErrorReply | undefined {
  if (!isObject(said)) return replies.badRequest;
  const { epoch = "" } = said;
  const offset = said.offset ?? 0;
  if (!isNatural(offset) || typeof epoch !== "string") return replies.badRequest;
  const subscription = session.subscriptions.get(channel);
  if (subscription === undefined) return replies.permissionDenied;
  if (epoch !== subscription.channel.epoch) return replies.unrecoverable;
  const { proof, cursor } = subscription;
  return offset > session.window.writtenOf(proof, cursor) ? replies.badRequest : undefined;
}

/** A client says that it has everything up to an offset. */
function hear({ clock }: Context, subscription: Subscription, offset: number): void {
  const before = Math.max(subscription.acknowledged, subscription.proof.since);
  subscription.acknowledgedAt = clock.time();
  if (offset <= before) return;
  subscription.acknowledged = offset;
  subscription.channel.deliveries?.reached(
    subscription.epoch,
    deliveryStateOf(subscription),
    "acknowledged",
    before,
  );
}

/** A client may have asked to end a subscription before it was answered that it has one. */
export function quitEarly(session: LiveSession, channel: string): void {
  const subscription = session.subscriptions.get(channel);
  if (subscription !== undefined && session.queue.isQuitting(channel)) session.quit(subscription);
}

/** Sessions of one user among which the earlier one of a client that comes back is looked for. */
const mostSessions = 100;

/**
 * Takes the word of a client that comes back: it says where it had come to, and so that it has what it was sent until there.
 *
 * A user may be there several times, and their clients cannot be told apart: it speaks for the shortest stretch that it
 * may have come from, and for nothing that it was not sent from here. Where a user is many people, who may all come back at
 * once, it says nothing: each would have to be compared with all.
 */
export function resumed(
  { hub, session: { identity } }: Caller,
  channel: string,
  { epoch, offset }: Position,
): void {
  const { ledger } = hub;
  if (hub.sessions.countOf(identity) > mostSessions) return;
  let from: DeliveryState | undefined;
  let subscription: Subscription | undefined;
  for (const left of ledger.departed.get(channel, epoch, identity)) {
    if (isNearer(left, offset, from)) from = left;
  }
  // The connection it had before may not be known to be over.
  for (const { subscriptions } of hub.sessions.of(identity)) {
    const present = subscriptions.get(channel);
    if (present?.channel.epoch !== epoch) continue;
    const state = deliveryStateOf(present);
    if (!isNearer(state, offset, from)) continue;
    from = state;
    subscription = present;
  }
  if (from === undefined) return;
  if (subscription !== undefined) return hear(hub, subscription, offset);
  const before = from.acknowledged;
  for (const level of ["read", "acknowledged", "discharged"] as const)
    from[level] = Math.max(from[level], offset);
  from.time = hub.clock.time();
  ledger.of(channel)?.reached(epoch, from, "acknowledged", before);
}

/** Whether what was sent reaches an offset from a place nearer to it. */
function isNearer(
  { since, written }: DeliveryState,
  offset: number,
  than: DeliveryState | undefined,
): boolean {
  return since < offset && offset <= written && since > (than?.since ?? -1);
}
