import { describe, expect } from "vitest";
import { deferred, offsetsIn, rejection, upTo } from "../../support/core.ts";
import { type Cluster, type ClusterNode, type Pair, settled, type Three, test } from "./cluster.ts";
import { acknowledge, confirmed, follows, messages, news, obeys } from "./deliver.ts";

/** Ends the process of a node without a word. */
function kill({ nodes }: Cluster, node: ClusterNode): void {
  node.log.kill();
  nodes.splice(nodes.indexOf(node), 1);
  void node.notifier.close({ grace: 0 });
}

/** Waits until the store takes a node for gone, and the others have its inheritance. */
async function inherited(cluster: Cluster, heir: ClusterNode, count: number): Promise<void> {
  await cluster.clock.advance(20_000);
  expect(heir.notifier.stats().confirmed).toBe(count);
}

describe("an heir", () => {
  test("hears of a delivery after it has inherited, although the publication names the dead node", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, two, "ann");
    const { position } = await confirmed(cluster, three, "a");
    kill(cluster, three);
    await inherited(cluster, one, 1);
    await acknowledge(cluster, ann, position);
    expect(one.notifier.stats().confirmed).toBe(0);
    await cluster.clock.advance(60_000);
    expect([one.undelivered, two.undelivered]).toEqual([[], []]);
  });

  test("learns of a delivery that only the dead node was told", async ({ open }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, two, "ann");
    const { position } = await confirmed(cluster, three, "a");
    three.log.cut();
    await acknowledge(cluster, ann, position);
    ann.drop();
    kill(cluster, three);
    await cluster.clock.advance(20_000);
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(cluster.shared.inspect().records).toEqual([]);
    await cluster.clock.advance(60_000);
    expect([one.undelivered, two.undelivered]).toEqual([[], []]);
  });

  test("reports once what it inherits twice", async ({ open }) => {
    const cluster = await open(2);
    const [one, two] = cluster.nodes as Pair;
    await confirmed(cluster, two, "a");
    kill(cluster, two);
    const snapshot = cluster.shared.snapshot();
    await inherited(cluster, one, 1);
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired"]);
    // The store forgets that it has handed it over, and that it was released.
    cluster.shared.rollback(snapshot);
    expect(cluster.shared.inspect().records).toHaveLength(1);
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired"]);
    expect(cluster.shared.inspect().records).toEqual([]);
    one.errors.splice(0);
  });

  test("reads what it has inherited once the log can be read again", async ({ open }) => {
    const cluster = await open(2);
    const [one, two] = cluster.nodes as Pair;
    await confirmed(cluster, two, "a");
    const read = one.log.read;
    let isBroken = true;
    one.log.read = async (channel, options) => {
      if (channel === news && isBroken) throw new Error("The network is down");
      return read.call(one.log, channel, options);
    };
    kill(cluster, two);
    await inherited(cluster, one, 0);
    isBroken = false;
    await cluster.clock.advance(10_000);
    expect(one.notifier.stats().confirmed).toBe(1);
    await cluster.clock.advance(60_000);
    expect(one.undelivered).toEqual(["a expired"]);
    expect(one.errors.splice(0).map(({ context }) => context)).toEqual([
      { stage: "log", owner: "read what was left of news" },
    ]);
  });
});

describe("a node that begins later", () => {
  test("tells the heir of what a dead node has published", async ({ open }) => {
    const cluster = await open(2);
    const [one, two] = cluster.nodes as Pair;
    const { position } = await confirmed(cluster, two, "a");
    kill(cluster, two);
    await inherited(cluster, one, 1);
    const three = await cluster.add();
    const ann = await obeys(cluster, three, "ann", { offset: 0, epoch: "" });
    await acknowledge(cluster, ann, position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("answers what was asked before", async ({ open }) => {
    const cluster = await open(2);
    const [one] = cluster.nodes as Pair;
    const receipt = await settled(cluster.clock, one.notifier.publish(news, "a"));
    const delivering = receipt.delivered({ level: "read" });
    await cluster.clock.settle();
    await follows(cluster, await cluster.add(), "ann", { offset: 0, epoch: "" });
    expect(await delivering).toMatchObject({ by: "ann", level: "read" });
  });

  test("counts what its clients were sent by a node that has closed before", async ({ open }) => {
    const cluster = await open(2);
    const [one, two] = cluster.nodes as Pair;
    const ann = await obeys(cluster, two, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const closing = two.notifier.close();
    await cluster.clock.advance(10_000);
    await closing;
    expect(ann.closed?.code).toBe(3001);
    const three = await cluster.add();
    await follows(cluster, three, "ann", position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("a node that has missed messages", () => {
  test("asks again, and learns what it was told", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    const inbox = `\0node:${(cluster.shared.nodes as [string])[0]}`;
    const { read } = one.log;
    one.log.read = async (channel, options) => {
      const slice = await read.call(one.log, channel, options);
      if (channel !== inbox || slice.entries.length === 0) return slice;
      one.log.read = read;
      return { ...slice, first: slice.top + 1, entries: [], gapless: false };
    };
    await acknowledge(cluster, ann, position);
    expect(one.log.read).toBe(read);
    expect(one.notifier.stats().confirmed).toBe(0);
  });
});

describe("one key on two nodes", () => {
  test("is reported once, by the node whose publication is in the log", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const options = { idempotencyKey: "k" };
    const [first, second] = [
      await confirmed(cluster, one, "a", options),
      await confirmed(cluster, other, "b", options),
    ];
    expect(second.position).toEqual(first.position);
    expect([one, other].map(({ notifier }) => notifier.stats().confirmed)).toEqual([1, 0]);
    const failed = rejection(second.delivered());
    await cluster.clock.advance(60_000);
    expect([one.undelivered, other.undelivered]).toEqual([["a expired"], []]);
    expect(await failed).toMatchObject({ name: "ExpiredError", reason: "expired" });
  });

  test("resolves a receipt that waited before it was known whose publication it is", async ({ open }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, three, "ann");
    const options = { idempotencyKey: "k" };
    await confirmed(cluster, one, "a", options);
    const { read } = two.log;
    const gate = deferred();
    two.log.read = async (...args) => {
      if (args[0] === news) await gate.promise;
      return read.apply(two.log, args);
    };
    const receipt = await confirmed(cluster, two, "a", options);
    const delivering = receipt.delivered();
    await cluster.clock.settle();
    expect([two.notifier.stats().confirmed, messages(cluster).toAll]).toEqual([1, 0]);
    gate.resolve();
    await cluster.clock.settle();
    expect(two.notifier.stats().confirmed).toBe(0);
    await acknowledge(cluster, ann, receipt.position);
    expect(await delivering).toMatchObject({ by: "ann", level: "acknowledged" });
  });

  test("resolves the receipts of both, wherever it is acknowledged", async ({ open }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const ann = await obeys(cluster, three, "ann");
    const options = { idempotencyKey: "k" };
    const receipts = [
      await confirmed(cluster, one, "a", options),
      await confirmed(cluster, two, "a", options),
    ];
    const delivering = Promise.all(receipts.map((receipt) => receipt.delivered()));
    await cluster.clock.settle();
    await acknowledge(cluster, ann, (receipts[0] as (typeof receipts)[0]).position);
    expect((await delivering).map(({ by, level }) => [by, level])).toEqual([
      ["ann", "acknowledged"],
      ["ann", "acknowledged"],
    ]);
    expect(cluster.shared.inspect().records).toEqual([]);
  });
});

describe("a store that was set back", () => {
  test("keeps what it still has: it is delivered in the epoch that continues the one of before", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const first = await confirmed(cluster, one, "a");
    const snapshot = cluster.shared.snapshot();
    const second = await confirmed(cluster, one, "b");
    cluster.shared.rollback(snapshot);
    await cluster.clock.settle();
    const ann = await obeys(cluster, other, "ann", { offset: 0, epoch: "" });
    expect(offsetsIn(ann.received, news)).toEqual([1]);
    const third = await confirmed(cluster, one, "c");
    expect([third.position.offset, third.position.epoch === first.position.epoch]).toEqual([2, false]);
    expect(one.undelivered).toEqual(["b trimmed"]);
    expect(await rejection(second.delivered())).toMatchObject({ name: "ExpiredError", reason: "trimmed" });
    const delivering = first.delivered();
    await acknowledge(cluster, ann, { ...third.position, offset: 1 });
    expect(await delivering).toMatchObject({ by: "ann", level: "acknowledged" });
    expect(first.position.epoch).not.toBe(third.position.epoch);
    await acknowledge(cluster, ann, third.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    for (const { errors } of cluster.nodes) errors.splice(0);
  });

  test("makes a node look what it still has when others tell of an epoch that it does not know", async ({
    open,
  }) => {
    const cluster = await open(0);
    const openLog = cluster.shared.open;
    cluster.shared.open = () => {
      const log = openLog();
      const { join } = log;
      // Nobody is told that the store was set back.
      log.join = ({ inherits, lost }, options) => join.call(log, { inherits, lost }, options);
      return log;
    };
    const [one, other] = [await cluster.add(), await cluster.add()];
    const first = await confirmed(cluster, one, "a");
    const snapshot = cluster.shared.snapshot();
    await confirmed(cluster, one, "b");
    cluster.shared.rollback(snapshot);
    await cluster.clock.settle();
    const { epoch } = cluster.shared.inspect().channels[news] as { epoch: string };
    expect(epoch).not.toBe(first.position.epoch);
    expect(one.notifier.stats().confirmed).toBe(2);
    const bob = await obeys(cluster, other, "bob", { offset: 0, epoch: "" });
    await acknowledge(cluster, bob, { offset: 1, epoch });
    expect([one.notifier.stats().confirmed, one.undelivered]).toEqual([0, ["b trimmed"]]);
    expect(await first.delivered()).toMatchObject({ by: "bob", level: "acknowledged" });
  });

  test("counts what a client was sent before, up to where it was set back", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const first = await confirmed(cluster, one, "a");
    const snapshot = cluster.shared.snapshot();
    const second = await confirmed(cluster, one, "b");
    cluster.shared.rollback(snapshot);
    await cluster.clock.settle();
    expect(ann.received.at(-1)).toMatchObject({ push: { unsubscribe: { code: 2500 } } });
    ann.drop();
    await cluster.clock.settle();
    await obeys(cluster, one, "ann", first.position);
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(await first.delivered()).toMatchObject({ by: "ann", level: "acknowledged" });
    expect(one.undelivered).toEqual(["b trimmed"]);
    expect(second.position.offset).toBe(2);
    for (const { errors } of cluster.nodes) errors.splice(0);
  });
});

describe("an outage", () => {
  test("between acknowledgement and publisher delays what is told, and loses nothing", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a");
    other.log.cut();
    await acknowledge(cluster, ann, position);
    await cluster.clock.advance(3_000);
    expect(one.notifier.stats().confirmed).toBe(1);
    other.log.heal();
    await cluster.clock.advance(6_000);
    expect([one.notifier.stats().confirmed, one.undelivered]).toEqual([0, []]);
    other.errors.splice(0);
  });

  test("may lose the answer to a publication: what others tell before it is sent again counts", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { append } = one.log;
    let isFirst = true;
    one.log.append = async (...args) => {
      const position = await append.apply(one.log, args);
      if (args[0] !== news || !isFirst) return position;
      isFirst = false;
      throw new Error("The answer is lost");
    };
    const publishing = one.notifier.publish(news, "a", { confirm: true });
    await cluster.clock.settle();
    const { epoch } = cluster.shared.inspect().channels[news] as { epoch: string };
    await acknowledge(cluster, ann, { offset: 1, epoch });
    await cluster.clock.advance(1_000);
    expect(await (await publishing).delivered()).toMatchObject({ by: "ann", level: "acknowledged" });
    expect(one.notifier.stats().confirmed).toBe(0);
    one.errors.splice(0);
  });
});

describe("a node that was taken for gone while it published", () => {
  /** Publishes on a node whose answer is lost, and which is cut off for longer than its lease. Then it is back. */
  async function published(cluster: Cluster, { notifier, log }: ClusterNode) {
    const { append } = log;
    log.append = async (...args) => {
      const position = await append.apply(log, args);
      if (args[0] !== news) return position;
      log.append = append;
      log.cut();
      throw new Error("The answer is lost");
    };
    const publishing = notifier.publish(news, "a", { confirm: true, ttl: 120_000 });
    await cluster.clock.advance(25_000);
    log.heal();
    await cluster.clock.advance(10_000);
    for (const { errors } of cluster.nodes) errors.splice(0);
    return publishing;
  }

  test("leaves the publication to its heir, which reports it once", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const receipt = await published(cluster, one);
    expect(cluster.nodes.map(({ notifier }) => notifier.stats().confirmed)).toEqual([0, 1]);
    const failed = rejection(receipt.delivered());
    await cluster.clock.advance(120_000);
    expect([one.undelivered, other.undelivered]).toEqual([[], ["a expired"]]);
    expect(await failed).toMatchObject({ name: "ExpiredError" });
  });

  test("has its receipt resolved by a client of another node, and its heir is told by its own clients", async ({
    open,
  }) => {
    const cluster = await open(3);
    const [one, two, three] = cluster.nodes as Three;
    const receipt = await published(cluster, one);
    const delivering = receipt.delivered({ level: "acknowledged", by: "ann" });
    const both = receipt.delivered();
    const ann = await obeys(cluster, three, "ann", { offset: 0, epoch: "" });
    const bob = await obeys(cluster, one, "bob", { offset: 0, epoch: "" });
    expect(two.notifier.stats().confirmed).toBe(1);
    await acknowledge(cluster, bob, receipt.position);
    expect(two.notifier.stats().confirmed).toBe(0);
    expect(await both).toMatchObject({ by: "bob" });
    await acknowledge(cluster, ann, receipt.position);
    expect(await delivering).toMatchObject({ by: "ann", level: "acknowledged" });
  });

  test("asks again under its new name for what its receipts wait for", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const receipt = await confirmed(cluster, one, "a", { ttl: 120_000 });
    const delivering = receipt.delivered();
    one.log.cut();
    await cluster.clock.advance(25_000);
    one.log.heal();
    await cluster.clock.advance(10_000);
    const ann = await obeys(cluster, other, "ann", { offset: 0, epoch: "" });
    await acknowledge(cluster, ann, receipt.position);
    expect(await delivering).toMatchObject({ by: "ann", level: "acknowledged" });
    expect(cluster.nodes.map(({ notifier }) => notifier.stats().confirmed)).toEqual([0, 0]);
    for (const { errors } of cluster.nodes) errors.splice(0);
  });
});

describe("a burst", () => {
  test("of 2 000 is confirmed by clients of another node, in a few messages", async ({ open }) => {
    const cluster = await open(2, { notifier: { limits: { confirmed: 2_000 } } });
    const [one, other] = cluster.nodes as Pair;
    const ends = await Promise.all(["ann", "bob"].map((user) => obeys(cluster, other, user)));
    const publishing = Promise.all(
      upTo(2_000).map((n) => one.notifier.publish(news, `${n}`, { confirm: true })),
    );
    await cluster.clock.advance(1_000);
    const receipts = await publishing;
    expect(one.notifier.stats().confirmed).toBe(2_000);
    for (const end of ends) {
      expect(offsetsIn(end.received, news)).toEqual(upTo(2_000));
      await acknowledge(cluster, end, (receipts.at(-1) as (typeof receipts)[0]).position);
    }
    expect(one.notifier.stats().confirmed).toBe(0);
    expect(messages(cluster)).toEqual({ toOne: 2, toAll: 0 });
  });
});

describe("bounds", () => {
  test("waits of other nodes over the limit are left out, and counted", async ({ open }) => {
    const cluster = await open(1);
    const [one] = cluster.nodes as [ClusterNode];
    const other = await cluster.add({ limits: { confirmedTotal: 2 } });
    const ann = await obeys(cluster, other, "ann");
    for (const data of ["a", "b", "c"]) await confirmed(cluster, one, data);
    expect(other.notifier.totals().limits).toEqual({ confirmedTotal: 1 });
    const { epoch } = cluster.shared.inspect().channels[news] as { epoch: string };
    await acknowledge(cluster, ann, { offset: 3, epoch });
    expect(one.notifier.stats().confirmed).toBe(1);
  });

  test("a wait of another node ends when nobody can wait any more", async ({ open }) => {
    const cluster = await open(1);
    const [one] = cluster.nodes as [ClusterNode];
    const limits = { confirmedTotal: 1, delivery: 60_000, runTtl: 60_000 };
    const other = await cluster.add({ limits });
    await obeys(cluster, other, "ann");
    await confirmed(cluster, one, "a");
    await cluster.clock.advance(60_000);
    await confirmed(cluster, one, "b");
    expect(other.notifier.totals().limits).toEqual({});
  });

  test("a wait of a caller that is over ends no wait of another node for the same publication", async ({
    open,
  }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const ann = await obeys(cluster, other, "ann");
    const { position } = await confirmed(cluster, one, "a", { idempotencyKey: "k" });
    const options = { idempotencyKey: "k", ttl: 10_000 };
    const receipt = await settled(cluster.clock, other.notifier.publish(news, "a", options));
    const expired = rejection(receipt.delivered({ level: "acknowledged" }));
    await cluster.clock.advance(10_000);
    expect(await expired).toMatchObject({ name: "ExpiredError", reason: "expired" });
    await acknowledge(cluster, ann, position);
    expect(one.notifier.stats().confirmed).toBe(0);
  });

  test("entries that are read again are not told again", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    const { position } = await confirmed(cluster, one, "a");
    const ann = await obeys(cluster, other, "ann", { offset: 0, epoch: "" });
    await acknowledge(cluster, ann, position);
    for (const user of ["bob", "cat"]) await follows(cluster, other, user, { offset: 0, epoch: "" });
    expect(messages(cluster)).toEqual({ toOne: 1, toAll: 0 });
  });

  test("messages that this version does not know are counted, and change nothing", async ({ open }) => {
    const cluster = await open(2);
    const [one, other] = cluster.nodes as Pair;
    await confirmed(cluster, one, "a");
    const { epoch } = cluster.shared.inspect().channels[news] as { epoch: string };
    const good = { channel: news, epoch, offset: 1, level: "read", by: "ann", time: 0, discharges: false };
    const strange = [
      ["delivered", [{ ...good, level: "seen" }, { ...good, offset: -1 }, { ...good, by: 1 }, "a", null]],
      ["delivered", { ...good, time: "now" }],
      [
        "awaited",
        [
          { ...good, left: "1" },
          { ...good, left: 1, by: 1 },
          { ...good, level: "seen", left: 1 },
        ],
      ],
      [
        "departed",
        [good, { ...good, since: 0, written: 1, read: 1, acknowledged: 1, discharged: -1, waits: [] }],
      ],
    ] as const;
    for (const [kind, body] of strange)
      void other.log.append("\0all", JSON.stringify({ format: 1, from: "z", kind, body }), { time: 0 });
    await cluster.clock.settle();
    for (const { notifier } of [one, other]) expect(notifier.totals().limits).toEqual({ messages: 11 });
    expect(one.notifier.stats().confirmed).toBe(1);
  });
});
