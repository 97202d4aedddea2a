import { Counts } from "../../base/counts.ts";
import type { Channel } from "../channels/channel.ts";

/** The channels that are in use here. */
export interface ChannelsHere {
  readonly channels: ReadonlyMap<string, Channel>;
}

/** The clients that are subscribed to a channel. */
export interface Presence {
  /** Their session ids, users, and the `info` of their identities. */
  readonly clients: readonly { readonly session: string; readonly user: string; readonly info?: unknown }[];
  /** The number of different users. */
  readonly users: number;
  /** Whether every node has answered that works with the log. It is missing where one process works alone. */
  readonly complete?: boolean;
}

/** Returns the clients that are subscribed to a channel of this notifier. */
export function presenceHere(here: ChannelsHere, channel: string): Presence {
  const subscriptions = here.channels.get(channel)?.subscriptions ?? [];
  const clients = Array.from(subscriptions, ({ session: { id, peer } }) => {
    return { session: id, user: peer.user, info: peer.info };
  });
  return { clients, users: usersOn(here, channel) };
}

/** Returns the number of different users on a channel. */
export function usersOn({ channels }: ChannelsHere, name: string): number {
  const channel = channels.get(name);
  if (channel === undefined) return 0;
  // Users are counted from the first request on. Counting all of them for each reply would take longer.
  if (channel.users === undefined) {
    channel.users = new Counts();
    for (const { session } of channel.subscriptions) channel.users.add(session.peer.user);
  }
  return channel.users.size;
}
