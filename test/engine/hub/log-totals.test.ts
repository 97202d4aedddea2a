import { Hono } from "hono";
import { describe, expect } from "vitest";
import type { Notifier } from "../../../src/engine/notifier/notifier.ts";
import { metrics } from "../../../src/hono.ts";
import { LogError } from "../../../src/model/errors.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { type FakeClock, fakeClock, type SharedLog, sharedLog } from "../../../src/testing.ts";
import { test as base, type Core, createCore, outcomeOf, startWith } from "../../support/core.ts";
import { durableLog, durableStore } from "../../support/durable-log.ts";
import { finish } from "../nodes/cluster.ts";

const broken = new Error("no space");
const works = { appends: 0, reads: 0, answers: 0 };

/** Notifiers over one shared log, on one clock. */
interface Cluster {
  readonly clock: FakeClock;
  readonly shared: SharedLog;
  /** Starts one more notifier. It joins at its first use. */
  open(): Core & { readonly log: ReturnType<SharedLog["open"]> };
}

/** A test whose nodes close together: as long as one of them lives, it has a timer. */
const test = base.extend<{ cluster: Cluster }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the required fixtures from the pattern
  cluster: async ({}, use) => {
    const clock = fakeClock();
    const shared = sharedLog({ clock });
    const nodes: Core[] = [];
    await use({
      clock,
      shared,
      open() {
        const log = shared.open();
        const node = { ...createCore({ clock, log }), log };
        nodes.push(node);
        return node;
      },
    });
    await finish({ clock, nodes });
  },
});

/** Starts nodes, and waits until they have joined. */
async function joined({ clock, open }: Cluster, count: number) {
  const nodes = Array.from({ length: count }, open);
  for (const { notifier } of nodes) void notifier.closing;
  await clock.settle();
  return nodes as [ReturnType<Cluster["open"]>, ...ReturnType<Cluster["open"]>[]];
}

describe("what fails of the log", () => {
  test("is told apart, with for how long, until the log has worked for some time", async ({ start }) => {
    const fails = { appends: true, reads: true };
    const core = startWith(start, (log) => ({
      append: (...args) => (fails.appends ? Promise.reject(broken) : log.append(...args)),
      read: (...args) => (fails.reads ? Promise.reject(new Error("gone")) : log.read(...args)),
    }));
    const failing = () => core.notifier.totals().log.failing;
    expect(failing()).toEqual(works);
    const published = outcomeOf(core.notifier.publish("news", 1));
    await core.clock.advance(1_000);
    expect(failing()).toEqual({ ...works, appends: 1_000 });
    const read = outcomeOf(core.notifier.history("news"));
    await core.clock.advance(1_000);
    expect([read.state, failing()]).toEqual(["rejected", { ...works, appends: 2_000, reads: 1_000 }]);
    fails.appends = false;
    await core.clock.advance(20_000);
    expect([published.state, failing()]).toEqual(["fulfilled", { ...works, reads: 21_000 }]);
    fails.reads = false;
    await core.notifier.history("news");
    await core.clock.advance(10_000);
    expect(failing()).toEqual(works);
    expect(core.errors.splice(0)).toHaveLength(1);
  });

  test("has the commands of clients that waited in vain", async ({ start }) => {
    const core = startWith(start, () => ({ read: () => new Promise<never>(() => {}) }));
    const client = pipe(core.notifier, { peer: { user: "ann", authorize: () => true } });
    client.send({ id: 1, connect: {} }, { id: 2, history: { channel: "news" } });
    await core.clock.advance(15_000);
    expect(core.notifier.totals().log.failing).toEqual({ ...works, answers: 5_000 });
    expect(core.errors.splice(0)).toHaveLength(1);
  });

  test("has the commands for which other nodes could not be asked", async ({ cluster }) => {
    const { clock } = cluster;
    const [{ notifier, log, errors }] = await joined(cluster, 2);
    const clients = ["ann", "bob"].map((user) => pipe(notifier, { peer: { user, authorize: () => true } }));
    for (const client of clients) client.send({ id: 1, connect: {} });
    await clock.settle();
    log.cut();
    for (const client of clients)
      client.send({ id: 2, presence: { channel: "a" } }, { id: 3, presence_stats: { channel: "b" } });
    await clock.advance(1_000);
    for (const { received } of clients)
      expect(received.slice(1)).toMatchObject([{ error: { code: 100 } }, { error: { code: 100 } }]);
    const owners = errors.splice(0).map(({ context }) => [context.stage, context.owner.slice(0, 8)]);
    expect(owners).toEqual([
      ["log", "send mes"],
      ["log", "session "],
    ]);
    expect(notifier.totals().log.failing.answers).toBe(1_000);
    log.heal();
    await clock.advance(10_000);
    errors.length = 0;
  });

  test("is forgotten when the notifier has closed", async ({ start }) => {
    const core = startWith(start, () => ({ append: () => Promise.reject(broken) }));
    const published = outcomeOf(core.notifier.publish("news", 1));
    void core.notifier.close();
    await core.clock.advance(5_000);
    expect([published.state, core.notifier.totals().log]).toMatchObject([
      "rejected",
      { failing: works, waiting: 0, lag: 0, place: "none" },
    ]);
    core.errors.length = 0;
  });
});

describe("what waits for the log", () => {
  test("is counted, with its bytes and the age of the oldest", async ({ start }) => {
    let answers: (() => void)[] = [];
    const core = startWith(start, (log) => ({
      append: async (...args) => {
        await new Promise<void>((resolve) => answers.push(resolve));
        return log.append(...args);
      },
    }));
    const { clock, notifier } = core;
    const waiting = () => {
      const { waiting, waitingBytes, lag } = notifier.totals().log;
      return [waiting, waitingBytes, lag];
    };
    const published = ["a", "b", "b"].map((channel) => notifier.publish(channel, "12345678"));
    await clock.advance(700);
    published.push(notifier.publish("c", "12345678"));
    await clock.advance(300);
    expect(waiting()).toEqual([4, 4 * 138, 1_000]);
    for (let round = 0; round < 2; round++) {
      for (const answer of answers.splice(0)) answer();
      await clock.settle();
      if (round === 0) expect(waiting()).toEqual([1, 138, 1_000]);
    }
    await Promise.all(published);
    expect(waiting()).toEqual([0, 0, 0]);
    answers = [];
  });

  test("is counted while a commit fails", async ({ start }) => {
    const store = durableStore();
    const clock = fakeClock();
    const core = start({ clock, log: durableLog(store, clock) });
    void core.notifier.closing;
    await clock.settle();
    store.fails = broken;
    const published = outcomeOf(core.notifier.publish("news", 1));
    await clock.advance(3_000);
    expect(core.notifier.totals().log).toMatchObject({ waiting: 1, lag: 3_000, failing: { appends: 3_000 } });
    store.fails = undefined;
    await clock.advance(5_000);
    expect([published.state, core.notifier.totals().log]).toMatchObject([
      "fulfilled",
      { waiting: 0, lag: 0 },
    ]);
    expect(core.errors.splice(0)).toHaveLength(1);
  });

  test("is listed: the place in the log, messages to other nodes, and what is released", async ({
    cluster,
  }) => {
    const { clock, shared } = cluster;
    const [{ notifier }] = await joined(cluster, 1);
    const owners = (of: typeof notifier) => of.inspect().map(({ kind, owner }) => `${kind} ${owner}`);
    const run = notifier.run(async () => {}, { id: "r", owner: "ann" });
    shared.pause();
    const late = cluster.open();
    void late.notifier.closing;
    void notifier.disconnect({ user: "ann" });
    void notifier.unsubscribe("ann", "news");
    await clock.advance(1_500);
    expect(late.notifier.inspect()).toContainEqual({ kind: "wait", owner: "join the log", age: 1_500 });
    expect(late.notifier.totals().log.place).toBe("waiting");
    expect(owners(notifier)).toContain("wait send messages to all and 1 behind it");
    shared.resume();
    await clock.settle();
    expect([run.status, owners(late.notifier).includes("wait join the log")]).toEqual(["completed", false]);
    expect(late.notifier.totals().log.place).toBe("joined");
  });

  test("has the releases that the log has not answered", async ({ cluster }) => {
    const { clock, shared } = cluster;
    const [{ notifier }] = await joined(cluster, 1);
    const client = pipe(notifier, { peer: { user: "ann", channels: ["news"] } });
    client.send({ id: 1, connect: {} });
    await clock.settle();
    for (const n of [1, 2]) void notifier.publish("news", n, { confirm: true });
    client.stall();
    await clock.settle();
    shared.pause();
    client.resume();
    await clock.advance(1_000);
    const owner = "answers of the log about 2 held records";
    expect(notifier.inspect().filter((each) => each.owner === owner)).toEqual([
      { kind: "wait", owner, age: 1_000 },
    ]);
    shared.resume();
    await clock.settle();
    expect(notifier.inspect().filter(({ owner }) => owner.startsWith("answers of the log"))).toEqual([]);
  });
});

test("releases that fail are reported once in an outage", async ({ cluster }) => {
  const { clock } = cluster;
  const [{ notifier, log, errors }] = await joined(cluster, 1);
  const client = pipe(notifier, { peer: { user: "ann", channels: ["news"] } });
  client.send({ id: 1, connect: {} });
  await clock.settle();
  client.stall();
  for (const n of [1, 2, 3]) void notifier.publish("news", n, { confirm: true });
  await clock.settle();
  log.cut();
  client.resume();
  await clock.advance(3_000);
  const reported = errors.splice(0).filter(({ context }) => context.owner === "a held record");
  expect([reported.length, notifier.totals().log.failing.appends > 0]).toEqual([1, true]);
  log.heal();
  await clock.advance(5_000);
  errors.length = 0;
});

describe("the place of a process in its log", () => {
  test("is none before the first use, in a log in memory, and after closing", async ({ start, cluster }) => {
    const { clock } = cluster;
    const [memory, shared] = [start(), cluster.open()];
    expect([memory, shared].map(({ notifier }) => notifier.totals().log.place)).toEqual(["none", "none"]);
    await memory.notifier.publish("news", 1);
    void shared.notifier.closing;
    await clock.settle();
    const joined = shared.notifier.totals().log;
    expect([memory.notifier.totals().log.place, joined.place]).toEqual(["none", "joined"]);
    const closing = shared.notifier.close();
    await clock.advance(5_000);
    await closing;
    expect(shared.notifier.totals().log).toMatchObject({ place: "none", nodes: 0 });
    expect(shared.notifier.totals().log.node).toBeUndefined();
  });

  test("is none after closing, also where it was still waited for", async ({ cluster }) => {
    const { clock, shared } = cluster;
    shared.pause();
    const { notifier, errors } = cluster.open();
    void notifier.closing;
    await clock.advance(1_000);
    const before = notifier.totals().log.place;
    const closing = notifier.close();
    await clock.advance(5_000);
    await closing;
    expect([before, notifier.totals().log.place]).toEqual(["waiting", "none"]);
    shared.resume();
    errors.length = 0;
  });

  test("is another one once the store has taken the process for gone", async ({ cluster }) => {
    const { clock } = cluster;
    const [{ notifier, log, errors }] = await joined(cluster, 2);
    const before = notifier.totals().log.node;
    log.cut();
    await clock.advance(60_000);
    log.heal();
    await clock.advance(10_000);
    errors.length = 0;
    const { place, node } = notifier.totals().log;
    expect([place, node]).toEqual(["joined", cluster.shared.nodes[1]]);
    expect(node).not.toBe(before);
  });

  test("is lost when the log says that it will never write again for this process", async ({ start }) => {
    const lasting = new LogError("Cannot write: another process has taken it over", { lasting: true });
    const clock = fakeClock();
    const memory = durableLog(durableStore(), clock);
    let lose = (): void => {};
    const log: typeof memory = {
      ...memory,
      async join(member, options) {
        lose = () => member.lost(lasting);
        return (await memory.join?.(member, options)) as NonNullable<
          Awaited<ReturnType<NonNullable<typeof memory.join>>>
        >;
      },
    };
    const core = start({ clock, log });
    void core.notifier.closing;
    await clock.settle();
    expect(core.notifier.totals().log.place).toBe("joined");
    lose();
    await clock.advance(1_000);
    expect(core.notifier.totals().log).toMatchObject({
      place: "lost",
      failing: { ...works, appends: 1_000 },
    });
    expect(core.errors.splice(0)).toMatchObject([{ error: { lasting: true, cause: lasting } }]);
  });
});

describe("the nodes", () => {
  test("are counted when somebody asks, once in ten seconds", async ({ cluster }) => {
    const { clock } = cluster;
    const [one, two] = (await joined(cluster, 3)).map(({ notifier }) => notifier) as [Notifier, Notifier];
    const counts: number[] = [];
    const count = () => counts.push(one.totals().log.nodes);
    count();
    await clock.settle();
    count();
    const closing = two.close();
    await clock.advance(9_999);
    await closing;
    count();
    await clock.advance(1);
    count();
    await clock.settle();
    count();
    expect(counts).toEqual([0, 3, 3, 3, 2]);
  });

  test("have an id each, which the metrics show", async ({ cluster }) => {
    const { clock, shared } = cluster;
    const nodes = await joined(cluster, 2);
    expect(nodes.map(({ notifier }) => notifier.totals().log.node)).toEqual(shared.nodes);
    await clock.settle();
    const [{ notifier }] = nodes;
    const response = await new Hono().get("/metrics", metrics(notifier)).request("/metrics");
    const lines = (await response.text()).split("\n");
    for (const line of [
      `tocsin_node_info{node="${shared.nodes[0]}"} 1`,
      "tocsin_log_nodes 2",
      'tocsin_log_place{place="joined"} 1',
      'tocsin_log_place{place="none"} 0',
    ])
      expect(lines).toContain(line);
  });

  test("that cannot be counted are reported with the outage, and are counted again later", async ({
    cluster,
  }) => {
    const { clock } = cluster;
    const [{ notifier, log, errors }] = await joined(cluster, 2);
    log.cut();
    await clock.settle();
    notifier.totals();
    await clock.settle();
    await clock.advance(10_000);
    expect(notifier.totals().log.nodes).toBe(0);
    await clock.settle();
    expect(errors.splice(0).map(({ context }) => context)).toEqual([
      { stage: "log", owner: "count the nodes" },
    ]);
    log.heal();
    await clock.advance(10_000);
    notifier.totals();
    await clock.settle();
    expect(notifier.totals().log.nodes).toBe(2);
  });
});
