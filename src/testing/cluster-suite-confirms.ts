import type { Receipt } from "../model/receipt.ts";
import type { Cluster, ClusterTests, TestNode } from "./cluster-suite-tools.ts";
import { same } from "./log-suite-tools.ts";

/** Confirmed publications whose node dies or closes while they wait for their delivery. */
export const confirmTests: ClusterTests = {
  async "what a node that dies has not delivered is reported once, by somebody alive"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    const ttl = 4 * cluster.lease;
    await confirm(cluster, three, ["a", "b"], ttl);
    await three.kill();
    await cluster.until(() => same(reported(one, two), ["a expired", "b expired"]));
    await cluster.pass(2 * cluster.lease);
    same(reported(one, two), ["a expired", "b expired"]);
  },

  async "if the heir dies as well, the last node reports what nobody received"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    await confirm(cluster, two, ["a"], 4 * cluster.lease);
    await two.kill();
    await cluster.until(() => same(one.notifier.stats().confirmed, 1));
    await one.kill();
    await cluster.until(() => same(reported(three), ["a expired"]));
    same(reported(one), []);
  },

  async "what a node that dies has not delivered is delivered by its heir"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const ttl = 4 * cluster.lease;
    await confirm(cluster, two, ["a"], ttl);
    await two.kill();
    await cluster.until(() => same(one.notifier.stats().confirmed, 1));
    const client = one.connect("ann", { news: undefined });
    await cluster.until(() => same(client.of("news").length, 1));
    client.acknowledge();
    await cluster.pass(ttl);
    same([reported(one), one.notifier.stats().confirmed], [[], 0]);
  },

  async "what a node has delivered is not reported when it dies"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const ttl = 4 * cluster.lease;
    const client = two.connect("ann", { news: undefined });
    await confirm(cluster, two, ["a"], ttl);
    await cluster.until(() => same(client.of("news").length, 1));
    client.acknowledge();
    await cluster.until(() => same(two.notifier.stats().confirmed, 0));
    await two.kill();
    await cluster.pass(2 * ttl);
    same(reported(one), []);
  },

  async "what a client of another node acknowledges is not reported, and resolves the receipt"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const ttl = 4 * cluster.lease;
    const client = two.connect("ann", { news: undefined });
    // From now on only its acknowledgements count.
    client.acknowledge();
    const [receipt] = await confirm(cluster, one, ["a"], ttl);
    await cluster.until(() => same(client.of("news").length, 1));
    client.acknowledge();
    const delivering = (receipt as Receipt).delivered().then(
      ({ by, level }) => `${level} ${by}`,
      ({ reason }) => reason,
    );
    same(await cluster.of(delivering), "acknowledged ann");
    same(one.notifier.stats().confirmed, 0);
    await cluster.pass(ttl);
    same(reported(one, two), []);
  },

  async "a receipt is resolved by a client of any node, at the level that it asks for"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    const receipt = await cluster.of(one.notifier.publish("news", "a"));
    const delivering = [
      receipt.delivered({ level: "written", by: "ann" }),
      receipt.delivered({ level: "read", by: "bob" }),
    ];
    two.connect("ann", { news: undefined });
    three.connect("bob", { news: undefined });
    const deliveries = await cluster.of(Promise.all(delivering));
    same(
      deliveries.map(({ level, by }) => `${level} ${by}`),
      ["written ann", "read bob"],
    );
  },

  async "a client that comes back to another node acknowledges what it was sent before"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const ttl = 4 * cluster.lease;
    const before = one.connect("ann", { news: undefined });
    before.acknowledge();
    await cluster.pass(cluster.lease / 10);
    const [receipt] = await confirm(cluster, one, ["a"], ttl);
    await cluster.until(() => same(before.of("news").length, 1));
    before.pipe.drop();
    await cluster.pass(cluster.lease / 10);
    same(one.notifier.stats().confirmed, 1);
    two.connect("ann", { news: receipt?.position });
    await cluster.until(() => same(one.notifier.stats().confirmed, 0));
    await cluster.pass(ttl);
    same(reported(one, two), []);
  },

  async "an heir hears of a delivery that only the dead node was told"(cluster) {
    const [one, two, three] = await cluster.startAll(3);
    const ttl = 8 * cluster.lease;
    const client = two.connect("ann", { news: undefined });
    client.acknowledge();
    await confirm(cluster, three, ["a", "b"], ttl);
    await cluster.until(() => same(client.of("news").length, 2));
    await three.kill();
    client.acknowledge();
    client.pipe.drop();
    await cluster.pass(3 * cluster.lease);
    await cluster.until(() =>
      same(
        [one, two].map(({ notifier }) => notifier.stats().confirmed),
        [0, 0],
      ),
    );
    await cluster.pass(ttl);
    same(reported(one, two), []);
  },

  async "what two nodes publish with one key is reported once"(cluster) {
    const [one, two] = await cluster.startAll(2);
    const options = { confirm: true, ttl: 2 * cluster.lease, idempotencyKey: "k" };
    const publishing = [one, two].map(({ notifier }) => notifier.publish("news", "a", options));
    const [first, second] = await cluster.of(Promise.all(publishing));
    same(first?.position, second?.position);
    await cluster.until(() => same(reported(one, two), ["a expired"]));
    await cluster.pass(2 * cluster.lease);
    same(reported(one, two), ["a expired"]);
  },

  async "a node that closes hands what it has not delivered to another one, which reports it"(cluster) {
    const [one, two] = await cluster.startAll(2);
    await confirm(cluster, two, ["a", "b"], 4 * cluster.lease);
    const { waiting, undelivered } = await cluster.of(two.close());
    same([waiting, undelivered], [2, []]);
    await cluster.until(() => same(one.notifier.stats().confirmed, 2));
    await cluster.until(() => same(reported(one), ["a expired", "b expired"]));
    same(reported(two), []);
  },

  async "what the last node that closes has not delivered waits for the next one that starts"(cluster) {
    const one = await cluster.start();
    const ttl = 4 * cluster.lease;
    await confirm(cluster, one, ["a"], ttl);
    await cluster.of(one.close());
    const two = await cluster.start();
    await cluster.until(() => same(reported(two), ["a expired"]));
  },
};

/** Publishes to a channel, on one node. Each publication must be delivered within `ttl`. */
export async function confirm(
  { of }: Cluster,
  { notifier }: TestNode,
  data: string[],
  ttl: number,
): Promise<Receipt[]> {
  return of(Promise.all(data.map((each) => notifier.publish("news", each, { confirm: true, ttl }))));
}

/** Returns what nodes have reported as undelivered of the channel of these tests. */
export function reported(...nodes: readonly TestNode[]): string[] {
  return nodes
    .flatMap(({ undelivered }) => undelivered)
    .filter(({ data }) => typeof data === "string")
    .map(({ data, reason }) => `${data} ${reason}`)
    .sort();
}
