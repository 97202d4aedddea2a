import { output } from "tocsin/run";
import type { NodeLog, Pipe } from "tocsin/testing";
import { describe, expect } from "vitest";
import type { Member, Membership } from "../../../src/model/log.ts";
import {
  aborted,
  createCore,
  deferred,
  type Message,
  outcomeOf,
  type SubscribeResult,
} from "../../support/core.ts";
import {
  type Cluster,
  type ClusterNode,
  client,
  kill,
  lease,
  type Pair,
  settled,
  subscribe,
  test,
  typesIn,
  waits,
} from "./cluster.ts";

/** Lets a node know what has happened to the store, and returns what it has reported. */
async function told({ clock }: Cluster, ...nodes: readonly ClusterNode[]): Promise<string[]> {
  await clock.advance(6_000);
  return nodes.flatMap(({ errors }) => errors.splice(0).map(({ error }) => (error as Error).message));
}

/** Returns a run of a node that has ended at this moment, and the store as it was before. */
async function endedRun({ clock, shared }: Cluster, { notifier }: ClusterNode) {
  await clock.advance(1_000);
  const finish = deferred();
  const run = notifier.run(() => finish.promise.then(() => 7));
  const result = outcomeOf(run.result());
  await clock.advance(1_000);
  const before = shared.snapshot();
  finish.resolve();
  while (result.state === "pending") await clock.advance(1);
  return { run, before };
}

const isRenewed = expect.stringContaining("The store was set back to an earlier moment, or lost");

describe("after the store was wiped", () => {
  test("a run that works is begun again, and is lost once if its node dies", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const ids = ["a", "b"].map((id) => other.notifier.run(waits, { id, owner: "ann", name: "work" }).id);
    for (const run of other.notifier.runs.list()) void outcomeOf(run.result());
    await clock.settle();
    shared.wipe();
    expect(await told(cluster, one, other)).toEqual([isRenewed, isRenewed]);
    for (const id of ids) {
      expect(typesIn(cluster, `run:${id}`)).toEqual(["run.started"]);
      const found = await settled(clock, one.notifier.runs.find(id));
      expect(found).toMatchObject({ id, owner: "ann", name: "work", status: "working" });
    }
    await kill(cluster, other);
    for (const id of ids) expect(typesIn(cluster, `run:${id}`)).toEqual(["run.started", "run.failed"]);
    // Their endings wait for their delivery.
    expect(shared.inspect().records.map(({ held }) => held.position.offset)).toEqual([2, 2]);
  });

  test("a run that works on ends once, and holds nothing after that", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(async function* () {
      yield output("before");
      await finish.promise;
      yield output("after");
      return 7;
    });
    const result = outcomeOf(run.result());
    await clock.settle();
    shared.wipe();
    await told(cluster, one, other);
    finish.resolve();
    await clock.settle();
    expect(result.value).toBe(7);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "output", "run.completed"]);
    expect(shared.inspect().records.map(({ held }) => held.position.offset)).toEqual([3]);
    await kill(cluster, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "output", "run.completed"]);
  });

  test("events that came before the node heard of it wait until the start is there again", async ({
    open,
  }) => {
    const cluster = await open(2, { log: { latency: 20 } });
    const { clock, nodes, shared } = cluster;
    await clock.advance(1_000);
    const [one, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(async ({ signal, emit }) => {
      await finish.promise;
      await emit(output("early"));
      await aborted(signal);
    });
    void outcomeOf(run.result());
    await clock.advance(1_000);
    shared.wipe();
    finish.resolve();
    await told(cluster, one, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "output"]);
    expect(shared.inspect().records.map(({ held }) => held.position.offset)).toEqual([1]);
    await kill(cluster, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "output", "run.failed"]);
  });

  test("the ending of a run that has ended is there again, and its result", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(async () => 7);
    await settled(clock, run.result());
    const old = other.notifier.run(async () => 8, { id: "old", owner: "ann" });
    await settled(clock, old.result());
    await clock.advance(290_000);
    const young = other.notifier.run(async () => 9);
    await settled(clock, young.result());
    await clock.advance(20_000);
    shared.wipe();
    await told(cluster, one, other);
    expect([run, old, young].map(({ id }) => typesIn(cluster, `run:${id}`))).toEqual([
      [],
      [],
      ["run.started", "run.completed"],
    ]);
    const found = await settled(clock, one.notifier.runs.find(young.id));
    expect([found?.status, await settled(clock, found?.result() as Promise<unknown>)]).toEqual([
      "completed",
      9,
    ]);
    expect(await settled(clock, young.result())).toBe(9);
    expect(shared.inspect().channels[`run:${young.id}`]?.sealed).toBe(true);
  });

  test("an ending that is too large to be kept is reported as forgotten", async ({ open }) => {
    const cluster = await open(2, { notifier: { limits: { publication: 10_000_000, waiting: 40_000_000 } } });
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const runs = ["a", "b"].map((name) => other.notifier.run(async () => name.repeat(5_000_000)));
    for (const run of runs) await settled(clock, run.result());
    shared.wipe();
    expect(await told(cluster, one, other)).toEqual([
      isRenewed,
      isRenewed,
      "Cannot renew the log: the endings of 1 runs are lost, and too old or too many to be written again",
    ]);
    expect(runs.map(({ id }) => typesIn(cluster, `run:${id}`))).toEqual([
      [],
      ["run.started", "run.completed"],
    ]);
    other.undelivered.splice(0);
  });

  test("a run whose id is used by another run now is lost", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const first = other.notifier.run(waits, { id: "r", owner: "ann" });
    const result = outcomeOf(first.result());
    await clock.settle();
    other.log.cut();
    shared.wipe();
    const second = one.notifier.run(waits, { id: "r", owner: "ann" });
    void outcomeOf(second.result());
    await clock.advance(1_000);
    other.log.heal();
    await told(cluster, one, other);
    expect([first.status, result.reason, second.status]).toEqual([
      "failed",
      expect.objectContaining({ name: "RunError", reason: "lost" }),
      "working",
    ]);
    expect(typesIn(cluster, "run:r")).toEqual(["run.started"]);
  });

  test("several times in a row, each run is begun again once", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.settle();
    const [before] = shared.inspect().records;
    for (let count = 0; count < 3; count++) shared.wipe();
    await told(cluster, one, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started"]);
    // A record that was held before may be one that its store still knows to be released.
    expect(shared.inspect().records.map(({ held }) => held.record)).toEqual([
      expect.not.stringContaining(before?.held.record as string),
    ]);
  });

  test("a run whose start was on its way is begun once", async ({ open }) => {
    const cluster = await open(2, { log: { latency: 20 } });
    const { clock, nodes, shared } = cluster;
    await clock.advance(1_000);
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.settle();
    await clock.advance(30);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started"]);
    // The answer is lost, so the start is sent again.
    other.log.cut();
    shared.wipe();
    await clock.settle();
    other.log.heal();
    await told(cluster, one, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started"]);
    expect(shared.inspect().records).toHaveLength(1);
  });

  test("a node that cannot reach it tries again, and reports it once", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.settle();
    other.log.cut();
    shared.wipe();
    await clock.advance(1_000);
    other.log.heal();
    // The node is told, and is cut off again before it has looked.
    await Promise.resolve();
    other.log.cut();
    await clock.advance(1_000);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual([]);
    other.log.heal();
    const reported = await told(cluster, one, other);
    expect(reported.filter((message) => message.startsWith("The store was set back"))).toHaveLength(2);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started"]);
  });
});

describe("after the store was set back", () => {
  test("a run is held again whose start is still there, and begun again if it is not", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const runs = [other.notifier.run(waits)];
    await clock.settle();
    const before = shared.snapshot();
    runs.push(other.notifier.run(waits));
    for (const run of runs) void outcomeOf(run.result());
    await clock.settle();
    shared.rollback(before);
    await told(cluster, one, other);
    const started = runs.map(({ id }) => typesIn(cluster, `run:${id}`));
    expect(started).toEqual([["run.started"], ["run.started"]]);
    await kill(cluster, other);
    const ended = runs.map(({ id }) => typesIn(cluster, `run:${id}`));
    expect(ended).toEqual([
      ["run.started", "run.failed"],
      ["run.started", "run.failed"],
    ]);
  });

  test("what the store has forgotten to hold is held again", async ({ open }) => {
    const cluster = await open(1);
    const { clock, nodes, shared } = cluster;
    const [one] = nodes as Pair;
    const { node, forget, renew } = await forgettable(cluster);
    const run = node.notifier.run(waits);
    void outcomeOf(run.result());
    await settled(clock, node.notifier.publish("news", "a", { confirm: true, ttl: 100_000 }));
    const known = shared.inspect().records.map(({ held }) => held.record);
    await forget();
    expect([known.length, shared.inspect().records]).toEqual([2, []]);
    // Several in a row are reported once.
    for (let count = 0; count < 3; count++) renew();
    expect(await told(cluster, one, node)).toEqual([isRenewed]);
    expect(shared.inspect().records.map(({ held }) => held.record)).toEqual(known);
    await kill(cluster, node);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    await clock.advance(200_000);
    expect(one.undelivered.filter((each) => each.startsWith("a"))).toEqual(["a expired"]);
  });

  test("an ending that is still there is not written again", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const run = other.notifier.run(async () => 7);
    await settled(clock, run.result());
    let appends = 0;
    const { append } = other.log;
    other.log.append = (...call) => {
      if (call[0].startsWith("run:")) appends++;
      return append.apply(other.log, call);
    };
    shared.rollback(shared.snapshot());
    await told(cluster, one, other);
    expect([appends, typesIn(cluster, `run:${run.id}`)]).toEqual([0, ["run.started", "run.completed"]]);
    expect(await settled(clock, run.result())).toBe(7);
  });

  test("an ending that was lost is written again: the run has one, and its channel is sealed", async ({
    open,
  }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(() => finish.promise.then(() => 7));
    await clock.settle();
    const before = shared.snapshot();
    finish.resolve();
    expect(await settled(clock, run.result())).toBe(7);
    shared.rollback(before);
    await told(cluster, one, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.completed"]);
    expect(await settled(clock, run.result())).toBe(7);
    // The record of the run is held again by the store: it is released once more, when its node is gone.
    await kill(cluster, other);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.completed"]);
    other.undelivered.splice(0);
  });

  test("an ending that was lost is written again, although it waited for longer than it is kept", async ({
    open,
  }) => {
    const cluster = await open(2, { notifier: { limits: { runTtl: 3_000 } } });
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const finish = deferred();
    const run = other.notifier.run(() => finish.promise.then(() => 7));
    const result = outcomeOf(run.result());
    await clock.settle();
    const before = shared.snapshot();
    other.log.cut();
    finish.resolve();
    await clock.advance(6_000);
    expect(other.notifier.runs.list()).toHaveLength(1);
    other.log.heal();
    while (result.state === "pending") await clock.advance(100);
    expect(result.value).toBe(7);
    other.errors.splice(0);
    shared.rollback(before);
    await clock.advance(500);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.completed"]);
    for (const { errors } of [one, other]) errors.splice(0);
  });

  test("an ending that was lost before it was answered is written again, however long the store stands still then", async ({
    open,
  }) => {
    let latency = 20;
    const cluster = await open(2, {
      log: { latency: () => latency },
      notifier: { limits: { runTtl: 3_000 } },
    });
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    await clock.advance(1_000);
    const finish = deferred();
    const run = other.notifier.run(() => finish.promise.then(() => 7));
    const result = outcomeOf(run.result());
    await clock.advance(1_000);
    const before = shared.snapshot();
    finish.resolve();
    while (typesIn(cluster, `run:${run.id}`).length < 2) await clock.advance(1);
    // The node hears of the loss before it has the answer.
    latency = 1;
    shared.rollback(before);
    shared.pause();
    await clock.advance(6_000);
    expect([result.value, other.notifier.runs.list()]).toEqual([7, []]);
    shared.resume();
    await clock.advance(1_000);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.completed"]);
    for (const { errors } of [one, other]) errors.splice(0);
  });

  test("a record that was to be released for an ending that is lost goes to an heir", async ({ open }) => {
    const cluster = await open(2, { log: { latency: 20 } });
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const { run, before } = await endedRun(cluster, other);
    // Its release is on its way.
    shared.pause();
    shared.rollback(before);
    await clock.advance(100);
    // That is lost. The node learns of it, and closes before the store goes on.
    other.log.cut();
    other.log.heal();
    const closing = other.notifier.close({ grace: 1_000 });
    await clock.advance(3_000);
    await closing;
    nodes.splice(nodes.indexOf(other), 1);
    shared.resume();
    await clock.advance(2 * lease);
    expect(typesIn(cluster, `run:${run.id}`)).toEqual(["run.started", "run.failed"]);
    one.errors.splice(0);
  });

  test.for([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])(
    "a run whose ending is lost has one all the same, although its node dies %i ms after that",
    async (ms, { open }) => {
      const cluster = await open(2, { log: { latency: 20 } });
      const { clock, nodes, shared } = cluster;
      const [one, other] = nodes as Pair;
      const { run, before } = await endedRun(cluster, other);
      shared.rollback(before);
      await clock.advance(ms);
      await kill(cluster, other);
      expect(typesIn(cluster, `run:${run.id}`)).toEqual([
        "run.started",
        expect.stringMatching(/^run\.(completed|failed)$/),
      ]);
      one.errors.splice(0);
    },
  );

  test("a client comes back without a gap if its position is good, and is told of one gap if not", async ({
    open,
  }) => {
    const cluster = await open(1);
    const { clock, nodes, shared } = cluster;
    const [one] = nodes as Pair;
    const end = client(one.notifier);
    for (const channel of ["good", "lost"]) await settled(clock, one.notifier.publish(channel, 1));
    const before = shared.snapshot();
    await settled(clock, one.notifier.publish("lost", "gone"));
    end.send({ id: 1, connect: {} });
    const first = await subscribed(cluster, end, {});
    expect(first.map(({ offset }) => offset)).toEqual([1, 2]);
    shared.rollback(before);
    await told(cluster, one);
    for (const channel of ["good", "lost"]) await settled(clock, one.notifier.publish(channel, 2));
    const pushes = (end.take() as Message[]).map(({ push }) => [push?.channel, push?.unsubscribe?.code]);
    expect(pushes.sort()).toEqual([
      ["good", 2500],
      ["lost", 2500],
    ]);
    const [good, lost] = await subscribed(cluster, end, {
      good: { recover: true, ...first[0] },
      lost: { recover: true, ...first[1] },
    });
    expect(good).toMatchObject({ recovered: true, publications: [{ offset: 2, data: 2 }] });
    expect([lost?.recovered, lost?.was_recovering, lost?.publications]).toEqual([undefined, true, undefined]);
    for (const channel of ["good", "lost"]) await settled(clock, one.notifier.publish(channel, 3));
    const news = (end.take() as Message[]).map(({ push }) => [push?.channel, push?.pub?.offset]);
    expect(news.sort()).toEqual([
      ["good", 3],
      ["lost", 3],
    ]);
  });
});

/** Subscribes to the two channels, and returns the replies. */
async function subscribed(
  { clock }: Cluster,
  end: Pipe,
  after: Record<string, object>,
): Promise<SubscribeResult[]> {
  end.take();
  const channels = ["good", "lost"];
  end.send(...channels.map((channel, at) => ({ id: at + 2, subscribe: { channel, ...after[channel] } })));
  await clock.settle();
  const replies = (end.take() as Message[]).map(({ subscribe }) => subscribe);
  return replies.filter((reply) => reply !== undefined);
}

/** Adds a node whose records the store can forget. */
async function forgettable(
  cluster: Cluster,
): Promise<{ node: ClusterNode; forget(): Promise<void>; renew(): void }> {
  const { clock, shared, nodes } = cluster;
  const log = shared.open();
  let membership: Membership | undefined;
  let member: Member | undefined;
  const spied: NodeLog = {
    append: (...call) => log.append(...call),
    appendAll: (...call) => log.appendAll(...call),
    read: (...call) => log.read(...call),
    watch: (...call) => log.watch(...call),
    keeps: (channel) => log.keeps(channel),
    async join(given, options) {
      member = given;
      membership = await log.join(given, options);
      return membership;
    },
    kill: () => log.kill(),
    cut: (options) => log.cut(options),
    heal: () => log.heal(),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
  const node = { ...createCore({ clock, log: spied }), log: spied, undelivered: [] };
  nodes.push(node);
  void node.notifier.closing;
  await clock.settle();
  return {
    node,
    async forget() {
      for (const { held } of shared.inspect().records) await membership?.release(held.record);
    },
    renew: () => member?.renewed?.(),
  };
}

describe("a record whose release fails", () => {
  /** Publishes something that a client has read, and acknowledges while the log cannot be reached. */
  async function acknowledgeCutOff({ clock, shared }: Cluster, node: ClusterNode): Promise<void> {
    const end = client(node.notifier);
    await subscribe(clock, end, "news");
    const acknowledge = async (publishing: ReturnType<ClusterNode["notifier"]["publish"]>): Promise<void> => {
      end.send({ send: { data: { ack: { news: (await publishing).position } } } });
      await clock.settle();
    };
    // From the first acknowledgement on, reading is not enough.
    const first = node.notifier.publish("news", "first");
    await clock.settle();
    await acknowledge(first);
    const publishing = node.notifier.publish("news", "a", { confirm: true, ttl: 100_000 });
    await clock.settle();
    expect(shared.inspect().records).toHaveLength(1);
    node.log.cut();
    await acknowledge(publishing);
    expect(node.notifier.stats().confirmed).toBe(0);
  }

  test("is released as soon as the log works again", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [, other] = nodes as Pair;
    await acknowledgeCutOff(cluster, other);
    await clock.advance(5_000);
    expect(shared.inspect().records).toHaveLength(1);
    other.log.heal();
    await clock.advance(6_000);
    expect(shared.inspect().records).toEqual([]);
    expect(other.errors.splice(0).map(({ context }) => context.owner)).toContain("a held record");
  });

  test("is released while the notifier closes, if the log works again by then", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [, other] = nodes as Pair;
    await acknowledgeCutOff(cluster, other);
    const closing = outcomeOf(other.notifier.close());
    await clock.advance(1_000);
    expect(closing.state).toBe("pending");
    other.log.heal();
    await clock.advance(3_000);
    expect([closing.state, shared.inspect().records]).toEqual(["fulfilled", []]);
    other.errors.splice(0);
  });

  test("is left to others if the log does not work again before the notifier has closed", async ({
    open,
  }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [, other] = nodes as Pair;
    await acknowledgeCutOff(cluster, other);
    const closing = outcomeOf(other.notifier.close());
    await clock.advance(5_000);
    expect([closing.state, shared.inspect().records.length]).toEqual(["fulfilled", 1]);
    other.errors.splice(0);
    await clock.advance(2 * lease);
    for (const { errors } of nodes) errors.splice(0);
  });
});

describe("a run whose id another node has taken after the store was wiped", () => {
  test("writes nothing into the channel of the other one", async ({ open }) => {
    const cluster = await open(2);
    const { clock, nodes, shared } = cluster;
    const [one, other] = nodes as Pair;
    const next = deferred<void>();
    const first = one.notifier.run(
      async ({ emit, signal }) => {
        await next.promise;
        await emit({ type: "of the first" });
        signal.throwIfAborted();
      },
      { id: "r", owner: "ann" },
    );
    first.result().catch(() => {});
    await clock.settle();
    one.log.cut({ hang: true });
    next.resolve();
    await clock.settle();
    shared.wipe();
    const second = other.notifier.run(waits, { id: "r", owner: "ann" });
    second.result().catch(() => {});
    await clock.settle();
    one.log.heal();
    await clock.advance(10_000);
    expect(typesIn(cluster, "run:r")).toEqual(["run.started"]);
    await expect(first.result()).rejects.toMatchObject({ reason: "lost" });
    await settled(clock, second.cancel());
    expect(typesIn(cluster, "run:r")).toEqual(["run.started", "run.cancelled"]);
    for (const { errors } of nodes) errors.splice(0);
  });
});

test("a subscription that catches up never goes on in another epoch", async ({ open }) => {
  let latency = 10;
  const cluster = await open(2, {
    log: { latency: () => latency },
    // What was read is not kept, so that it has to be read again.
    notifier: { window: 4_096, limits: { cache: 1_000 } },
  });
  const { clock, nodes, shared } = cluster;
  const [one, other] = nodes as Pair;
  const publish = async (text: string, count: number) => {
    for (let n = 0; n < count; n++) void other.notifier.publish("news", text.padEnd(200));
    await clock.advance(1_000);
  };
  await clock.advance(200);
  const [ann, bob] = [client(one.notifier), client(one.notifier)] as const;
  for (const end of [ann, bob]) await subscribe(clock, end, "news");
  await clock.advance(200);
  ann.stall();
  // Its window holds fewer.
  await publish("before", 20);
  const snapshot = shared.snapshot();
  await publish("lost", 50);
  // What it reads next comes to the store after that was set back, and is answered before any news of that.
  ann.resume();
  await clock.settle();
  latency = 1;
  shared.rollback(snapshot);
  await publish("after", 100);
  await clock.advance(6_000);
  const messages = ann.received as Message[];
  const end = messages.findIndex(({ push }) => push?.unsubscribe !== undefined);
  expect(messages[end]?.push?.unsubscribe?.code).toBe(2500);
  const texts = messages.flatMap(({ push }) =>
    push?.pub === undefined ? [] : [String(push.pub.data).trim()],
  );
  expect(texts.length).toBeLessThanOrEqual(20);
  expect(new Set(texts)).toEqual(new Set(["before"]));
  for (const node of nodes) node.errors.splice(0);
});

test.for([0, 20, 40, 60])(
  "a node that hears only %i ms before the end of its grace that the store was wiped closes without an error of its own",
  async (ms, { open }) => {
    const cluster = await open(1, { log: { latency: 10 }, notifier: { grace: 1_000 } });
    const { clock, nodes, shared } = cluster;
    const [one] = nodes as Pair;
    await clock.advance(200);
    const run = one.notifier.run(waits);
    void outcomeOf(run.result());
    await clock.advance(200);
    one.log.cut();
    await clock.advance(20_000);
    shared.wipe();
    one.errors.splice(0);
    const closing = one.notifier.close();
    await clock.advance(1_000 - ms);
    one.log.heal();
    await clock.advance(10_000);
    await closing;
    const types = one.errors.splice(0).map(({ error }) => (error as Error).name);
    expect(types).not.toContain("TypeError");
  },
);
