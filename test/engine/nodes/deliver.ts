import type { Receipt } from "tocsin";
import type { Pipe } from "tocsin/testing";
import { type Cluster, type ClusterNode, client, settled } from "./cluster.ts";

/** The channel of the tests of deliveries. */
export const news = "news";

/** Connects a user to a node, and subscribes to the channel of these tests, after a position or from now on. */
export function follows(
  cluster: Cluster,
  node: ClusterNode,
  user: string,
  recover?: Receipt["position"],
): Promise<Pipe> {
  return connects(cluster, node, user, recover, []);
}

/** The same, for a client that acknowledges what it receives. */
export function obeys(
  cluster: Cluster,
  node: ClusterNode,
  user: string,
  recover?: Receipt["position"],
): Promise<Pipe> {
  return connects(cluster, node, user, recover, [{ send: { data: { ack: {} } } }]);
}

async function connects(
  { clock }: Cluster,
  { notifier }: ClusterNode,
  user: string,
  recover: Receipt["position"] | undefined,
  first: object[],
): Promise<Pipe> {
  const end = client(notifier, { user, authorize: () => true });
  const subscribe = { channel: news, ...(recover && { recover: true, ...recover }) };
  end.send({ id: 1, connect: {} }, ...first, { id: 2, subscribe });
  await clock.settle();
  return end;
}

export async function acknowledge({ clock }: Cluster, end: Pipe, { offset, epoch }: Receipt["position"]) {
  end.send({ send: { data: { ack: { [news]: { offset, epoch } } } } });
  await clock.settle();
}

/** Publishes on a node, to be delivered within a minute. */
export function confirmed({ clock }: Cluster, { notifier }: ClusterNode, data: string, options: object = {}) {
  return settled(clock, notifier.publish(news, data, { confirm: true, ttl: 60_000, ...options }));
}

/** The number of messages about deliveries to one node, and to all. */
export function messages({ shared }: Cluster): { toOne: number; toAll: number } {
  const kinds = ["delivered", "awaited", "departed"];
  const channels = Object.entries(shared.inspect().channels);
  const count = (prefix: string) =>
    channels
      .filter(([name]) => name.startsWith(prefix))
      .flatMap(([, { entries }]) => entries)
      .filter(({ data }) => kinds.includes(JSON.parse(data).kind)).length;
  return { toOne: count("\0node:"), toAll: count("\0all") };
}
