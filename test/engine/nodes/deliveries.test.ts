import type { Receipt } from "tocsin";
import type { Pipe } from "tocsin/testing";
import { describe, expect } from "vitest";
import { offsetsIn } from "../../support/core.ts";
import { type Cluster, type ClusterNode, client, type Pair, settled, test } from "./cluster.ts";

const news = "news";

/** Connects a user to a node, and subscribes to the channel of these tests. */
async function follows(
  { clock }: Cluster,
  { notifier }: ClusterNode,
  user: string,
  recover?: { offset: number; epoch: string },
): Promise<Pipe> {
  const end = client(notifier, { user, authorize: () => true });
  const subscribe = { channel: news, ...(recover && { recover: true, ...recover }) };
  end.send({ id: 1, connect: {} }, { id: 2, subscribe });
  await clock.settle();
  return end;
}

/** The same, for a client that acknowledges what it has received. */
async function obeys(...given: Parameters<typeof follows>): Promise<Pipe> {
  const end = await follows(...given);
  end.send({ send: { data: { ack: {} } } });
  await given[0].clock.settle();
  return end;
}

async function acknowledge({ clock }: Cluster, end: Pipe, { offset, epoch }: Receipt["position"]) {
  end.send({ send: { data: { ack: { [news]: { offset, epoch } } } } });
  await clock.settle();
}

/** Publishes on a node, to be delivered within a minute. */
function confirmed({ clock }: Cluster, { notifier }: ClusterNode, data: string, options: object = {}) {
  return settled(clock, notifier.publish(news, data, { confirm: true, ttl: 60_000, ...options }));
}

/** The number of messages about deliveries to one node, and to all. */
function messages({ shared }: Cluster): { toOne: number; toAll: number } {
  const channels = Object.entries(shared.inspect().channels);
  const isOfJoins = ({ data }: { data: string }) => ["who listens", "listens"].includes(JSON.parse(data).kind);
  const count = (prefix: string) =>
    channels
      .filter(([name]) => name.startsWith(prefix))
      .reduce((sum, [, { entries }]) => sum + entries.filter((entry) => !isOfJoins(entry)).length, 0);
  return { toOne: count("\0node:"), toAll: count("\0all") };
}

describe("a confirmed publication", () => {
  test("that a client of another node acknowledges is not reported", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    expect(one.notifier.stats().confirmed).toBe(1);
    await acknowledge(cluster, ann, receipt.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    await cluster.clock.advance(120_000);
    expect([one.undelivered, other.undelivered]).toEqual([[], []]);
    expect(cluster.shared.inspect().records).toEqual([]);
  });

  test("that a client of another node has read is not reported if it never acknowledges", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    await follows(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    expect(await settled(cluster.clock, receipt.delivered())).toMatchObject({ level: "read", by: "ann" });
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a receipt", () => {
  test("with the default level resolves with the acknowledgement on another node, and asks nobody", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const receipt = await confirmed(cluster, one, "a");
    const delivering = receipt.delivered();
    await cluster.clock.advance(1_000);
    const time = cluster.clock.time();
    await acknowledge(cluster, ann, receipt.position);
    expect(await delivering).toEqual({ level: "acknowledged", by: "ann", time });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });

  test("of a publication without `confirm` is told by the node that knows", async ({ open }) => {
    const cluster = await open(3);
    const [one, other] = cluster.nodes as Pair;
    const ann = await follows(cluster, other, "ann");
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    expect(messages(cluster)).toEqual({ toOne: 0, toAll: 0 });
    const delivering = [
      receipt.delivered({ level: "written" }),
      receipt.delivered({ level: "read", by: "ann" }),
      receipt.delivered({ level: "acknowledged" }),
    ];
    await acknowledge(cluster, ann, receipt.position);
    const deliveries = await settled(cluster.clock, Promise.all(delivering));
    expect(deliveries.map(({ level, by }) => [level, by])).toEqual([
      ["written", "ann"],
      ["read", "ann"],
      ["acknowledged", "ann"],
    ]);
    expect(messages(cluster).toAll).toBe(1);
  });
});

describe("a spread over clients", () => {
  test("to a thousand subscribers of another node is told once", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ends = await Promise.all(
      Array.from({ length: 1_000 }, (_, at) => follows(cluster, other, `user ${at}`)),
    );
    const receipt = await confirmed(cluster, one, "a");
    for (const end of ends) expect(offsetsIn(end.received, news)).toEqual([1]);
    expect(await receipt.delivered()).toMatchObject({ level: "read" });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });
});
