import type { Session, Socket } from "../../model/socket.ts";
import { type Close, closes, unsubscribes } from "../../wire/protocol.ts";
import { checkUser, checkWho } from "../core/input-check.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Hub } from "./hub.ts";

/** The kinds of message that revoke something on every node. */
const kinds = { disconnect: "disconnect", unsubscribe: "unsubscribe" } as const;

/** Does here what other nodes revoke. A node that has missed such a message has to let everybody authenticate again. */
export function obeyRevocations(hub: Hub): void {
  const { nodes } = hub;
  const obey = (kind: string, act: (body: object) => void): void =>
    nodes.on(kind, (body) => act(Object(body)), { isVital: true });
  obey(kinds.disconnect, (body) => {
    const { who, code } = body as { who: { user: string }; code: number };
    disconnect(hub, who, code);
  });
  obey(kinds.unsubscribe, (body) => {
    const { user, channel } = body as { user: string; channel: string };
    unsubscribe(hub, user, channel);
  });
  nodes.onMissed.push((to) => {
    if (to === "all") for (const session of [...hub.sessions]) session.close(closes.normal);
  });
}

/** Closes sessions on all nodes: here at once. Settles once the others will hear of it, whatever happens to the log. */
export async function disconnectAll(
  hub: Hub,
  who: { user: string } | { session: string },
  code: number,
): Promise<void> {
  disconnect(hub, who, code);
  await tellAll(hub, kinds.disconnect, { who, code });
}

/** Ends a user's subscriptions to a channel on all nodes: here at once. Settles once the others will hear of it. */
export async function unsubscribeAll(hub: Hub, user: string, channel: string): Promise<void> {
  unsubscribe(hub, user, channel);
  await tellAll(hub, kinds.unsubscribe, { user, channel });
}

async function tellAll({ nodes, joining }: Hub, kind: string, body: unknown): Promise<void> {
  if (joining !== undefined) await joining;
  await nodes.tellAll(kind, body);
}

/** Closes a socket that gets no session. */
export function refuse(hub: Hub, socket: Socket, why: Close): Session {
  hub.gate.refused(why);
  socket.close(why.code, why.reason);
  return { id: "", receive: () => {}, ended: () => {} };
}

/**
 * Closes sessions at once. Throws a TypeError for an invalid `who`, and a RangeError for a code that is not from 3000
 * to 4999.
 */
function disconnect(hub: Hub, who: { user: string } | { session: string }, code: number): void {
  checkWho(who);
  if (!Number.isInteger(code) || code < 3000 || code > 4999) {
    throw new RangeError(`Cannot disconnect with code "${code}": it is not from 3000 to 4999`);
  }
  const known = Object.values(closes).find((close) => close.code === code);
  const { user, session: id } = who as { user?: string; session?: string };
  const candidates = user === undefined ? hub.sessions : hub.sessions.ofUser(user);
  for (const session of [...candidates]) {
    const matches = user === undefined ? session.id === id : session.peer.user === user;
    if (matches) session.revoke(known ?? { code, reason: "disconnected" });
  }
}

/** Ends a user's subscriptions to a channel at once. */
function unsubscribe(hub: Hub, user: string, channel: string): void {
  checkUser(user, channel);
  for (const session of [...hub.sessions.ofUser(user)]) {
    if (session.peer.user === user) withdraw(session, channel);
  }
}

/**
 * Ends a session's subscription to a channel. What was not sent yet is not sent, and the channel is removed from those
 * that the peer was granted.
 */
function withdraw(session: LiveSession, channel: string): void {
  const { peer, codec } = session;
  if (peer.channels?.includes(channel)) {
    session.peer = { ...peer, channels: peer.channels.filter((name) => name !== channel) };
    session.note(true);
  }
  // A queued reply is lost with the connection, but only delayed: the client reconnects, and requests it again.
  if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);
  const subscription = session.subscriptions.get(channel);
  if (subscription === undefined) return;
  session.drop(subscription);
  session.unsubscribed(channel, unsubscribes.server);
}
