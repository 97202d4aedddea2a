import { describe, expect } from "vitest";
import type { HeldRecord, Log } from "../../../src/model/log.ts";
import { createCore, type Message, outcomeOf, rejection } from "../../support/core.ts";
import {
  type Cluster,
  type ClusterNode,
  client,
  kill,
  lease,
  type Pair,
  settled,
  type Three,
  takeErrors,
  test,
  typesIn,
  waits,
} from "./cluster.ts";

/** Adds a node that its test can tell anything, and whose reads of some channels can fail. */
async function spied(cluster: Cluster) {
  const { clock, shared, nodes } = cluster;
  const log = shared.open();
  const spy = {
    fails: false,
    reads: 0,
    inherits(_: readonly HeldRecord[]): void {},
  };
  const spiedLog: Log = {
    append: (...call) => log.append(...call),
    async read(channel, options) {
      if (channel.startsWith("\0")) return log.read(channel, options);
      spy.reads++;
      if (spy.fails) throw new Error("the store is busy");
      return log.read(channel, options);
    },
    watch: async (...call) => {
      if (spy.fails) throw new Error("the store is busy");
      return log.watch(...call);
    },
    keeps: (channel) => log.keeps(channel),
    join(member, options) {
      spy.inherits = (records) => member.inherits(records);
      return log.join(member, options);
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
  const node: ClusterNode = { ...createCore({ clock, log: spiedLog }), log, undelivered: [] };
  nodes.push(node);
  void node.notifier.closing;
  await clock.settle();
  return { node, spy };
}

describe("an heir", () => {
  test("tries again while the log fails, and reports it once for each run", async ({ open }) => {
    const cluster = await open(0);
    const { clock } = cluster;
    const { node: heir, spy } = await spied(cluster);
    const other = await cluster.add();
    const run = other.notifier.run(waits, { channel: "news" });
    void outcomeOf(run.result());
    await clock.settle();
    spy.fails = true;
    await kill(cluster, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started"]);
    expect(heir.errors.splice(0).map(({ context }) => context.owner)).toEqual([
      `what was left of run:${run.id}`,
    ]);
    spy.fails = false;
    await clock.advance(6_000);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    expect(typesIn(cluster, "news")).toEqual(["run.started", "run.failed"]);
  });

  test("that is lost before it is done leaves what it has inherited to the next one", async ({ open }) => {
    const cluster = await open(0);
    const { clock, shared } = cluster;
    const { node: heir, spy } = await spied(cluster);
    const [one, other] = [await cluster.add(), await cluster.add()];
    await settled(clock, other.notifier.publish("news", "a", { confirm: true, ttl: 300_000 }));
    spy.fails = true;
    await kill(cluster, other);
    heir.log.cut();
    await clock.advance(2 * lease);
    spy.fails = false;
    heir.log.heal();
    await clock.advance(6_000);
    heir.errors.splice(0);
    expect([heir, one].map(({ notifier }) => notifier.stats().confirmed)).toEqual([0, 1]);
    expect(shared.inspect().records).toHaveLength(1);
    await clock.advance(300_000);
    expect([heir.undelivered, one.undelivered]).toEqual([[], ["a expired"]]);
  });

  test.for([0, 10, 20, 30, 40, 50, 60, 70, 80, 90])(
    "that closes %i ms after it has inherited leaves what it cannot announce to the next one",
    async (ms, { open }) => {
      const cluster = await open(3, { log: { latency: 10 }, notifier: { grace: 1_000 } });
      const { clock, nodes } = cluster;
      const [heir, other] = nodes as Pair;
      await clock.advance(200);
      const run = other.notifier.run(waits, { channel: "news" });
      void outcomeOf(run.result());
      await clock.advance(200);
      let isInherited = false;
      const { append } = heir.log;
      heir.log.append = (channel, ...call) => {
        isInherited ||= channel === `run:${run.id}`;
        return append.call(heir.log, channel, ...call);
      };
      other.log.kill();
      nodes.splice(nodes.indexOf(other), 1);
      void other.notifier.close({ grace: 0 });
      while (!isInherited) await clock.advance(1);
      await clock.advance(ms);
      const closing = heir.notifier.close();
      await clock.advance(20_000);
      await closing;
      expect(typesIn(cluster, "news")).toEqual(["run.started", "run.failed"]);
    },
  );

  test("that is told twice does it once", async ({ open }) => {
    const cluster = await open(0);
    const { clock, shared } = cluster;
    const { node: heir, spy } = await spied(cluster);
    const other = await cluster.add();
    const run = other.notifier.run(waits, { channel: "news" });
    void outcomeOf(run.result());
    await clock.settle();
    const held = shared.inspect().records.map((record) => record.held);
    await kill(cluster, other);
    const before = spy.reads;
    spy.inherits(held);
    spy.inherits(held);
    await clock.settle();
    // Once for its state, and once for the ending that is announced again.
    expect(spy.reads).toBe(before + 2);
    expect(typesIn(cluster, "news")).toEqual(["run.started", "run.failed"]);
    expect(shared.inspect().records).toHaveLength(1);
    expect(heir.errors).toEqual([]);
  });

  test("does not end a later run that has the id of the one that was left", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const first = other.notifier.run(async () => 7, { id: "r", owner: "ann" });
    await settled(clock, first.result());
    await clock.advance(300_000);
    const { epoch } = shared.inspect().channels["run:r"] as { epoch: string };
    const second = one.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(second.result());
    await clock.settle();
    // The first run's node could not release it, and dies.
    const third = shared.open();
    const joining = third.join({ inherits() {}, lost() {} });
    await clock.settle();
    const record = JSON.stringify({ format: 1, id: "1", is: "run" });
    await (await joining).hold?.({ record, channel: "run:r", position: { epoch, offset: 1 } });
    third.kill();
    await clock.advance(2 * lease);
    expect([second.status, typesIn(cluster, "run:r")]).toEqual(["working", ["run.started"]]);
    expect(shared.inspect().records.map(({ held }) => held.record)).not.toContain(record);
    await third[Symbol.asyncDispose]();
  });

  test("ends a run again that the store has forgotten to be ended, and says so once", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [heir, other] = nodes as Pair;
    const run = other.notifier.run(waits, { channel: "news" });
    void outcomeOf(run.result());
    await clock.settle();
    const before = shared.snapshot();
    await kill(cluster, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    // The second time nothing is lost.
    for (const moment of [() => before, () => shared.snapshot()]) {
      shared.rollback(moment());
      await clock.advance(6_000);
      for (const channel of [`run:${run.id}`, "news"])
        expect(typesIn(cluster, channel)).toEqual(["run.started", "run.failed"]);
      expect(takeErrors(heir)).toEqual([expect.stringContaining("The store was set back")]);
    }
  });

  test("does not end a run that has begun with the same id since the store was wiped", async ({ open }) => {
    const cluster = await open(3, { notifier: { limits: { runTtl: 120_000 } } });
    const { clock, nodes, shared } = cluster;
    const [heir, third, other] = nodes as Three;
    const first = other.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(first.result());
    await clock.settle();
    // Whichever of them inherits the run cannot write its ending for a time.
    let ending: ClusterNode | undefined;
    for (const node of [heir, third]) {
      const { append } = node.log;
      node.log.append = (channel, ...call) => {
        if (channel === "run:r" && ending === undefined) {
          ending = node;
          node.log.cut({ hang: true });
        }
        return append.call(node.log, channel, ...call);
      };
    }
    other.log.kill();
    nodes.splice(nodes.indexOf(other), 1);
    void other.notifier.close({ grace: 0 });
    while (ending === undefined) await clock.advance(1_000);
    shared.wipe();
    const next = ending === heir ? third : heir;
    const second = next.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(second.result());
    await clock.settle();
    ending.log.heal();
    await clock.advance(10_000);
    expect([second.status, typesIn(cluster, "run:r")]).toEqual(["working", ["run.started"]]);
    expect(ending.undelivered).toEqual([]);
    // It has given up what it wanted to end.
    expect(ending.notifier.inspect().map(({ owner }) => owner)).not.toContain("what was left of run:r");
    for (const node of nodes) node.errors.splice(0);
  });
});

describe("a run of another node", () => {
  test("is found, and its result is read, although the log fails for a while", async ({ open }) => {
    const cluster = await open(1);
    const { clock, nodes } = cluster;
    const [one] = nodes as Pair;
    const { node, spy } = await spied(cluster);
    const run = one.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.settle();
    spy.fails = true;
    const finding = outcomeOf(node.notifier.runs.find(run.id));
    await clock.advance(1_000);
    expect(finding.state).toBe("pending");
    spy.fails = false;
    await clock.advance(6_000);
    expect(finding.value).toMatchObject({ id: run.id, status: "working" });
    spy.fails = true;
    const result = outcomeOf(finding.value?.result() as Promise<unknown>);
    const controller = new AbortController();
    const other = outcomeOf(finding.value?.result({ signal: controller.signal }) as Promise<unknown>);
    await clock.advance(1_000);
    expect([result.state, other.state]).toEqual(["pending", "pending"]);
    controller.abort("enough");
    await clock.settle();
    expect(other.reason).toBe("enough");
    spy.fails = false;
    await clock.advance(6_000);
    spy.fails = true;
    const cancelling = run.cancel("stop");
    await clock.settle();
    await cancelling;
    expect(result.state).toBe("pending");
    spy.fails = false;
    await clock.advance(6_000);
    expect(result.reason).toMatchObject({ name: "CancelError", reason: "stop" });
    node.errors.splice(0);
  });

  test("whose node is dead is cancelled once it is lost", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(run.result());
    await clock.settle();
    other.log.kill();
    const found = await settled(clock, one.notifier.runs.find("r"));
    const cancelling = outcomeOf(found?.cancel() as Promise<void>);
    const end = client(one.notifier, { user: "ann" });
    end.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "run.cancel", data: { run: "r" } } });
    await clock.settle();
    expect((end.received as Message[]).at(-1)?.rpc?.data).toEqual({ status: "requested" });
    expect(cancelling.state).toBe("pending");
    await kill(cluster, other);
    expect([cancelling.state, typesIn(cluster, "run:r")]).toEqual([
      "fulfilled",
      ["run.started", "run.failed"],
    ]);
    expect(await settled(clock, rejection(found?.result() as Promise<unknown>))).toMatchObject({
      reason: "lost",
    });
  });

  test("does not exist for others before its start is in the log", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes } = cluster;
    const [one, other] = nodes as Pair;
    other.log.cut({ hang: true });
    const run = other.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(run.result());
    await clock.settle();
    expect(await settled(clock, one.notifier.runs.find("r"))).toBeUndefined();
    const end = client(one.notifier, { user: "ann" });
    end.send({ id: 1, connect: {} }, { id: 2, rpc: { method: "run.cancel", data: { run: "r" } } });
    await clock.settle();
    expect((end.received as Message[]).at(-1)?.rpc?.data).toEqual({ status: "unknown" });
    other.log.heal();
    await clock.settle();
    expect([run.status, (await settled(clock, one.notifier.runs.find("r")))?.status]).toEqual([
      "working",
      "working",
    ]);
  });
});

describe("the ending of a run whose node dies right after it was written", () => {
  test.for([10, 30, 50, 70])("is announced once, %i ms after the run has ended", async (ms, { open }) => {
    const cluster = await open(2, { log: { latency: 20 } });
    const { clock, nodes } = cluster;
    const [, other] = nodes as Pair;
    await clock.advance(1_000);
    const run = other.notifier.run(waits, { channel: "runs" });
    void outcomeOf(run.result());
    await clock.advance(1_000);
    void run.cancel();
    await clock.advance(ms);
    await kill(cluster, other);
    const ending = ms < 20 ? "run.failed" : "run.cancelled";
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", ending]);
    expect(typesIn(cluster, "runs")).toEqual(["run.started", ending]);
  });

  test("is announced once by an heir that is taken for gone itself, and comes back late", async ({
    open,
  }) => {
    const cluster = await open(3, { log: { latency: 20 }, notifier: { limits: { runTtl: 25_000 } } });
    const { clock, nodes } = cluster;
    const [first, second, other] = nodes as Three;
    await clock.advance(1_000);
    const run = other.notifier.run(waits, { channel: "runs" });
    void outcomeOf(run.result());
    await clock.advance(1_000);
    let heir: ClusterNode | undefined;
    for (const node of [first, second]) {
      const { append } = node.log;
      node.log.append = async (channel, ...call) => {
        const appending = append.call(node.log, channel, ...call);
        if (channel !== `run:${run.id}` || heir !== undefined) return appending;
        heir = node;
        // The ending is made, and the heir never hears of it.
        await clock.timer(25, () => node.log.cut());
        return appending;
      };
    }
    other.log.kill();
    nodes.splice(nodes.indexOf(other), 1);
    void other.notifier.close({ grace: 0 });
    await clock.advance(8 * lease);
    (heir as ClusterNode | undefined)?.log.heal();
    await clock.advance(2 * lease);
    expect(typesIn(cluster, "runs")).toEqual(["run.started", "run.failed"]);
    for (const { errors, undelivered } of nodes) {
      errors.splice(0);
      undelivered.splice(0);
    }
  });
});
