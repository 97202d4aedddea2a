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
  return { clients, users: new Set(clients.map(({ user }) => user)).size };
}
