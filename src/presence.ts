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
  if (channel.census === undefined) {
    channel.census = new Census();
    for (const { session } of channel.subscriptions) channel.census.came(session.peer.user);
  }
  return channel.census.users;
}

/** Counts the users on a channel, from when somebody first asks: to count them for each answer would take longer. */
export class Census {
  readonly #sessions: Map<string, number> = new Map();

  get users(): number {
    return this.#sessions.size;
  }

  came(user: string): void {
    this.#sessions.set(user, (this.#sessions.get(user) ?? 0) + 1);
  }

  left(user: string): void {
    const count = (this.#sessions.get(user) ?? 0) - 1;
    if (count > 0) this.#sessions.set(user, count);
    else this.#sessions.delete(user);
  }
}
