import { Counts } from "../../base/counts.ts";
import type { Hub } from "./hub.ts";

/** Who is on a channel now. */
export interface Presence {
  /** Their sessions, users, and what their identities say of them. */
  readonly clients: readonly { readonly session: string; readonly user: string; readonly info?: unknown }[];
  /** How many different users they are. */
  readonly users: number;
}

/** Who is on a channel of this notifier. */
export function presenceOf(hub: Hub, channel: string): Presence {
  const subscriptions = hub.channels.get(channel)?.subscriptions ?? [];
  const clients = Array.from(subscriptions, ({ session: { id, peer } }) => {
    return { session: id, user: peer.user, info: peer.info };
  });
  return { clients, users: usersOn(hub, channel) };
}

/** How many different users are on a channel. */
export function usersOn({ channels }: Hub, name: string): number {
  const channel = channels.get(name);
  if (channel === undefined) return 0;
  // From when somebody first asks: to count them for each answer would take longer.
  if (channel.users === undefined) {
    channel.users = new Counts();
    for (const { session } of channel.subscriptions) channel.users.add(session.peer.user);
  }
  return channel.users.size;
}
