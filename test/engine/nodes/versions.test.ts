import type { NodeLog } from "tocsin/testing";
import { expect } from "vitest";
import { aborted, type Message, outcomeOf } from "../../support/core.ts";
import {
  type Cluster,
  client,
  lease,
  type Pair,
  settled,
  subscribe,
  takeErrors,
  test,
  typesIn,
} from "./cluster.ts";

/** A node of the next version, which writes texts of another format. */
async function newer({ shared, clock }: Cluster): Promise<NodeLog> {
  const log = shared.open();
  const joining = log.join({ inherits() {}, lost() {} });
  await clock.settle();
  await joining;
  return log;
}

async function kill({ clock }: Cluster, log: NodeLog): Promise<void> {
  log.kill();
  await clock.advance(2 * lease);
  await log[Symbol.asyncDispose]();
}

const next = { format: 2, id: "x" };
const started = JSON.stringify({ type: "run.started", run: "r" });

test("messages of the next version, and of an unknown kind, are counted and change nothing", async ({
  open,
}) => {
  const cluster = await open(2);
  const { clock, nodes } = cluster;
  const [one, other] = nodes as Pair;
  const end = client(other.notifier);
  await subscribe(clock, end, "news");
  const log = await newer(cluster);
  const who = { who: { user: "ann" }, code: 3503 };
  for (const message of [
    JSON.stringify({ ...next, from: "x", kind: "disconnect", body: who }),
    JSON.stringify({ format: 1, from: "x", kind: "of the next version", body: who }),
    "no JSON",
  ])
    await log.append("\0all", message, { time: 0 });
  await clock.settle();
  expect(nodes.map(({ notifier }) => notifier.totals().limits.messages)).toEqual([3, 3]);
  await settled(clock, one.notifier.publish("news", 1));
  expect(end.closed).toBeUndefined();
  expect(end.received).toContainEqual(expect.objectContaining({ push: expect.anything() }));
  await log[Symbol.asyncDispose]();
});

test("records of the next version are left alone, and go on to who can read them", async ({ open }) => {
  const cluster = await open(1);
  const { clock, nodes, shared } = cluster;
  const [one] = nodes as Pair;
  const log = await newer(cluster);
  const records = [1, 2].map((number) => JSON.stringify({ ...next, number, is: "a new kind" }));
  for (const hold of records) await log.append("news", "1", { time: 0, hold });
  await kill(cluster, log);
  expect(takeErrors(one)).toEqual(["Cannot read what was left of news: another version has written it"]);
  expect(one.notifier.totals().limits.messages).toBe(2);
  const [node] = shared.nodes;
  expect(shared.inspect().records.map(({ held, node }) => [held.record, node])).toEqual(
    records.map((record) => [record, node]),
  );
  expect(shared.inspect().channels.news?.top).toBe(2);
  const closing = one.notifier.close();
  await clock.advance(1_000);
  await closing;
  const inherited: string[] = [];
  const last = shared.open();
  const joining = last.join({
    inherits: (given) => void inherited.push(...given.map(({ record }) => record)),
    lost() {},
  });
  await clock.settle();
  await joining;
  expect(inherited).toEqual(records);
  await last[Symbol.asyncDispose]();
});

test("a run of the next version is not ended by a node that cannot read its state", async ({ open }) => {
  const cluster = await open(1);
  const { nodes, shared } = cluster;
  const [one] = nodes as Pair;
  const log = await newer(cluster);
  const hold = JSON.stringify({ format: 1, id: "1", is: "run" });
  await log.append("run:r", started, { time: 0, hold, state: JSON.stringify({ ...next, run: "r" }) });
  await kill(cluster, log);
  expect(takeErrors(one)).toEqual(["Cannot read what was left of run:r: another version has written it"]);
  expect([typesIn(cluster, "run:r"), shared.inspect().channels["run:r"]?.sealed]).toEqual([
    ["run.started"],
    undefined,
  ]);
  expect(shared.inspect().records.map(({ held }) => held.record)).toEqual([hold]);
});

test("a run of the next version is unknown: nobody finds, follows or cancels it", async ({ open }) => {
  const cluster = await open(1);
  const { clock, nodes } = cluster;
  const [one] = nodes as Pair;
  const log = await newer(cluster);
  await log.append("run:r", started, { time: 0, state: JSON.stringify({ ...next, run: "r" }) });
  expect(await settled(clock, one.notifier.runs.find("r"))).toBeUndefined();
  const end = client(one.notifier, { user: "ann" });
  end.send(
    { id: 1, connect: {} },
    { id: 2, subscribe: { channel: "run:r" } },
    { id: 3, rpc: { method: "run.cancel", data: { run: "r" } } },
  );
  await clock.settle();
  const replies = end.received as Message[];
  expect(replies.find(({ id }) => id === 2)?.error?.code).toBe(103);
  expect(replies.find(({ id }) => id === 3)?.rpc?.data).toEqual({ status: "unknown" });
  await log[Symbol.asyncDispose]();
});

test("a run here is lost if the next version has begun one with its id, in a store that was wiped", async ({
  open,
}) => {
  const cluster = await open(1);
  const { clock, nodes, shared } = cluster;
  const [one] = nodes as Pair;
  const run = one.notifier.run(({ signal }) => aborted(signal), { id: "r", owner: "ann" });
  const result = outcomeOf(run.result());
  await clock.settle();
  one.log.cut();
  shared.wipe();
  const log = await newer(cluster);
  const state = JSON.stringify({ ...next, run: "r" });
  await log.append("run:r", started, { time: 0, place: "first", state });
  one.log.heal();
  await clock.advance(6_000);
  one.errors.splice(0);
  expect([result.reason, typesIn(cluster, "run:r")]).toEqual([
    expect.objectContaining({ name: "RunError", reason: "lost" }),
    ["run.started"],
  ]);
  expect(shared.inspect().channels["run:r"]).toMatchObject({ state, top: 1 });
  await log[Symbol.asyncDispose]();
});
