import type { Position } from "./log.ts";
import { type Command, replies } from "./protocol.ts";
import { isObject, positionOf, Refusal } from "./request.ts";
import type { LiveSession } from "./session.ts";
import { type Standing, standingOf } from "./standing.ts";
import type { Subscription } from "./subscription.ts";
import { quit } from "./tracking.ts";

/**
 * Takes what a client says it has, or no longer wants, at once: as `send`, which ends with that, or as `rpc` or
 * `unsubscribe`, which are answered in their turn.
 *
 * Answers whether nothing is left to do. In a `send` nobody hears of what is wrong, and the rest of it counts.
 */
export function takeWord(session: LiveSession, { method, params }: Command): boolean {
  if (method === "unsubscribe") {
    // Of an object, even its text could be one that throws.
    const { channel } = params;
    const subscription = typeof channel === "string" ? session.subscriptions.get(channel) : undefined;
    if (subscription !== undefined) quit(subscription);
    return false;
  }
  if (method === "send") {
    const { data } = params;
    if (!isObject(data) || !isObject(data.ack)) return false;
    session.acknowledges = true;
    for (const [channel, position] of Object.entries(data.ack)) {
      try {
        judged(session, channel, position)();
      } catch {}
    }
    return true;
  }
  if (method !== "rpc" || params.method !== "ack") return false;
  try {
    acknowledge(session, params.data);
  } catch {}
  return false;
}

/** Takes all that a client says it has, or throws a Refusal and takes nothing. */
export function acknowledge(session: LiveSession, data: unknown): void {
  if (!isObject(data) || !isObject(data.ack)) throw new Refusal(replies.badRequest);
  session.acknowledges = true;
  const words = Object.entries(data.ack).map(([channel, position]) => judged(session, channel, position));
  for (const take of words) take();
}

/** What takes a client's word on one channel; one that cannot be true is refused, one that says less than before is not. */
function judged(session: LiveSession, channel: string, said: unknown): () => void {
  if (!isObject(said)) throw new Refusal(replies.badRequest);
  const { offset, epoch } = positionOf(said);
  const subscription = session.subscriptions.get(channel);
  if (subscription === undefined) throw new Refusal(replies.permissionDenied);
  if (epoch !== subscription.channel.epoch) throw new Refusal(replies.unrecoverable);
  const { proof, cursor } = subscription;
  if (offset > session.window.writtenOf(proof, cursor)) throw new Refusal(replies.badRequest);
  return () => hear(subscription, offset);
}

/** A client says that it has everything up to an offset. */
function hear(subscription: Subscription, offset: number): void {
  const before = Math.max(subscription.acknowledged, subscription.proof.since);
  subscription.heard = subscription.session.hub.clock.time();
  if (offset <= before) return;
  subscription.acknowledged = offset;
  subscription.channel.book?.reached(standingOf(subscription), "acknowledged", before);
}

/**
 * Takes the word of a client that comes back: it says where it had come to, and so that it has what it was sent until there.
 *
 * A user may be there several times, and their clients cannot be told apart: it speaks for the shortest stretch that it
 * may have come from, and for nothing that it was not sent from here.
 */
export function resumed({ hub, identity }: LiveSession, channel: string, { epoch, offset }: Position): void {
  const { ledger } = hub;
  let from: Standing | undefined;
  let subscription: Subscription | undefined;
  for (const left of ledger.departed.get(channel, epoch, identity)) {
    if (isNearer(left, offset, from)) from = left;
  }
  // The connection it had before may not be known to be over.
  for (const { subscriptions } of hub.sessions.of(identity)) {
    const present = subscriptions.get(channel);
    if (present?.channel.epoch !== epoch) continue;
    const standing = standingOf(present);
    if (!isNearer(standing, offset, from)) continue;
    from = standing;
    subscription = present;
  }
  if (from === undefined) return;
  if (subscription !== undefined) return hear(subscription, offset);
  const before = from.acknowledged;
  for (const level of ["read", "acknowledged", "discharged"] as const)
    from[level] = Math.max(from[level], offset);
  from.time = hub.clock.time();
  ledger.book(channel)?.reached(from, "acknowledged", before);
}

/** Whether what was sent reaches an offset from a place nearer to it. */
function isNearer({ since, written }: Standing, offset: number, than: Standing | undefined): boolean {
  return since < offset && offset <= written && since > (than?.since ?? -1);
}
