import { type Command, replies } from "./protocol.ts";
import { isObject, positionOf, Refusal } from "./request.ts";
import type { LiveSession } from "./session.ts";

/**
 * Takes what a client says it has, or no longer wants, at once: as `send`, which ends with that, or as `rpc` or
 * `unsubscribe`, which are answered in their turn.
 *
 * Answers whether nothing is left to do. In a `send` nobody hears of what is wrong, and the rest of it counts.
 */
export function takeWord(session: LiveSession, { method, params }: Command): boolean {
  if (method === "unsubscribe") {
    const subscription = session.subscriptions.get(String(params.channel));
    if (subscription !== undefined) session.tracking.quit(subscription);
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
  return () => session.hub.ledger.acknowledge(subscription, offset);
}
