import { describe, expect } from "vitest";
import { offsetsIn } from "../../support/core.ts";
import { client, type Pair, settled, type Three, test } from "./cluster.ts";
import { acknowledge, confirmed, follows, messages, news, obeys } from "./deliver.ts";

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
    const ends = Array.from({ length: 1_000 }, (_, at) =>
      client(other.notifier, { user: `user ${at}`, authorize: () => true }),
    );
    for (const end of ends) end.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: news } });
    await cluster.clock.settle();
    const receipt = await confirmed(cluster, one, "a");
    for (const end of ends) expect(offsetsIn(end.received, news)).toEqual([1]);
    expect(await receipt.delivered()).toMatchObject({ level: "read" });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });
});

describe("a client that comes back to another node", () => {
  test("acknowledges with its position what the node before had sent it", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const first = await confirmed(cluster, one, "a");
    const second = await confirmed(cluster, one, "b");
    ann.drop();
    await cluster.clock.settle();
    expect(one.notifier.stats().confirmed).toBe(2);
    const again = await obeys(cluster, other, "ann", first.position);
    expect(one.notifier.stats().confirmed).toBe(1);
    expect(await first.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
    await acknowledge(cluster, again, second.position);
    expect(await second.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
  });

  test("acknowledges it when the node before notices only later that it has left", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const { position } = await confirmed(cluster, one, "a");
    ann.stall();
    await follows(cluster, other, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(1);
    ann.drop();
    await cluster.clock.settle();
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("acknowledges nothing that the node before had not sent it, and nothing for another user", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const first = await confirmed(cluster, one, "a");
    ann.drop();
    await cluster.clock.settle();
    const second = await confirmed(cluster, one, "b");
    await obeys(cluster, other, "bob", second.position);
    await obeys(cluster, other, "ann", second.position);
    expect(one.notifier.stats().confirmed).toBe(2);
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired", "b expired"]);
    expect(first.position.offset).toBe(1);
  });

  test("may go from node to node: the publication is of one, was sent by another, and is known to a third", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, two, "ann");
    const first = await confirmed(cluster, one, "a");
    const second = await confirmed(cluster, one, "b");
    ann.drop();
    await cluster.clock.settle();
    const again = await obeys(cluster, three, "ann", first.position);
    expect(one.notifier.stats().confirmed).toBe(1);
    again.drop();
    await cluster.clock.settle();
    await follows(cluster, two, "ann", second.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(await second.delivered()).toMatchObject({ level: "acknowledged", by: "ann" });
  });

  test("says nothing to other nodes where nobody waits", async ({ open }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    const ann = await obeys(cluster, one, "ann");
    const receipt = await confirmed(cluster, one, "a");
    await acknowledge(cluster, ann, receipt.position);
    await settled(cluster.clock, one.notifier.publish(news, "b"));
    ann.drop();
    await cluster.clock.settle();
    expect(messages(cluster)).toEqual({ toOne: 0, toAll: 0 });
  });

  test("acknowledges what a node had sent it that has closed", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const closing = other.notifier.close();
    await cluster.clock.advance(10_000);
    await closing;
    expect(ann.closed?.code).toBe(3001);
    expect(one.notifier.stats().confirmed).toBe(1);
    await follows(cluster, one, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a node that closes", () => {
  test("tells what its clients acknowledge until then", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const closing = other.notifier.close();
    await cluster.clock.advance(1_000);
    expect(ann.closed).toBeUndefined();
    await acknowledge(cluster, ann, position);
    expect(one.notifier.stats().confirmed).toBe(0);
    await cluster.clock.advance(10_000);
    await closing;
    expect(ann.closed?.code).toBe(3001);
  });
});
