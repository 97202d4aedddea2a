import type { Session, Socket } from "../../model/socket.ts";
import { type Close, closes, unsubscribes } from "../../wire/protocol.ts";
import { checkUser, checkWho } from "../core/input-check.ts";
import type { LiveSession } from "../sessions/session.ts";
import type { Hub } from "./hub.ts";

/** Closes a socket that gets no session. */
export function refuse(hub: Hub, socket: Socket, why: Close): Session {
  hub.gate.refused(why);
  socket.close(why.code, why.reason);
  return { id: "", receive: () => {}, ended: () => {} };
}

/** Closes sessions at once. Throws a RangeError for a code that no application may close with. */
export function disconnect(hub: Hub, who: { user: string } | { session: string }, code: number): void {
  checkWho(who);
  if (!Number.isInteger(code) || code < 3000 || code > 4999) {
    throw new RangeError(`Cannot disconnect with code "${code}": it is not from 3000 to 4999`);
  }
  const known = Object.values(closes).find((close) => close.code === code);
  const { user, session: id } = who as { user?: string; session?: string };
  const some = user === undefined ? hub.sessions : hub.sessions.ofUser(user);
  for (const session of [...some]) {
    const isMeant = user === undefined ? session.id === id : session.peer.user === user;
    if (isMeant) session.revoke(known ?? { code, reason: "disconnected" });
  }
}

/** Takes a channel from a user at once. */
export function unsubscribe(hub: Hub, user: string, channel: string): void {
  checkUser(user, channel);
  for (const session of [...hub.sessions.ofUser(user)]) {
    if (session.peer.user === user) withdraw(hub, session, channel);
  }
}

/** Takes a channel from a peer: nothing of it that has not left yet is sent, and what was granted is so no longer. */
function withdraw({ codec }: Hub, session: LiveSession, channel: string): void {
  const { peer } = session;
  if (peer.channels?.includes(channel)) {
    session.peer = { ...peer, channels: peer.channels.filter((name) => name !== channel) };
  }
  // What goes with a reply is only late: the client comes back, and asks for it again.
  if (!session.out.withhold(channel, codec)) return session.revoke(closes.reconnect);
  const subscription = session.subscriptions.get(channel);
  if (subscription === undefined) return;
  session.drop(subscription);
  session.unsubscribed(channel, unsubscribes.server);
}
