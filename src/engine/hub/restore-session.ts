import { checkPeer } from "../../access/peer-check.ts";
import type { Peer } from "../../model/peer.ts";
import type { SessionState, Socket } from "../../model/socket.ts";
import { closes } from "../../wire/protocol.ts";
import { channelIn, subscriptionFrom } from "../delivery/subscription-state.ts";
import { LiveSession } from "../sessions/session.ts";
import type { CommandHandler } from "../sessions/session-ports.ts";
import { type RestoredSession, restoredFrom } from "../sessions/session-state.ts";
import type { Hub } from "./hub.ts";

/** What is not part of a session's state. */
export interface RestoreOptions extends Pick<Peer, "authorize" | "connect" | "refresh" | "receive"> {
  /**
   * Whether the session may have gone on after the state was taken, for a short time, without a new subscription.
   * Default: false.
   */
  readonly isStale?: boolean | undefined;
}

/** Continues a session of an earlier process. Throws a TypeError for a state that cannot be read. */
export function restoreSession(
  hub: Hub,
  commands: CommandHandler<LiveSession>,
  { socket, state }: { socket: Socket; state: SessionState },
  { authorize, connect, refresh, receive, isStale = false }: RestoreOptions,
): LiveSession {
  const restored = restoredFrom(state, hub.clock, isStale);
  const peer: Peer = { ...restored.peer, authorize, connect, refresh, receive };
  // Its channels are in use already, whatever the limit on their names is now.
  checkPeer(peer, Infinity);
  const session = new LiveSession(restored.id, { context: hub, commands, socket, peer, restored });
  // The command that was being answered is lost, and the client cannot go on without the reply.
  if (session.isGreeted && !session.isConnected) session.close(closes.reconnect);
  else restoreSubscriptions(hub, session, restored);
  if (isStale) {
    // A ping may be needed in place of the one that is forgotten. If this process is lost, too, the next one must know
    // that one more pong may be on its way.
    hub.turn.wakeSession(session);
    session.note(true);
  }
  return session;
}

function restoreSubscriptions(
  hub: Hub,
  session: LiveSession,
  { peer: { channels = [] }, subscriptions, blocked, base }: RestoredSession,
): void {
  const restored = subscriptions.map((state) => {
    const channel = hub.channel(channelIn(state, channels) as string);
    const subscription = subscriptionFrom(state, session, channel, base);
    session.subscriptions.add(subscription);
    return { channel, subscription };
  });
  for (const index of blocked) {
    const subscription = restored[index]?.subscription;
    if (subscription === undefined) continue;
    subscription.waits = "room";
    session.block(subscription);
  }
  for (const { channel, subscription } of restored) {
    if (session.isOpen) channel.restore(subscription);
    // One of those before could not continue, which has closed the session. The channel closes if nobody uses it.
    else channel.use()();
  }
}
