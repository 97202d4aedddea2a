import { expect, test } from "vitest";
import { append, hold, holders, join, joinAll, lease, outcome, payloads, start } from "./shared-tools.ts";

const third = lease / 3;

test("nodes that live stay, whatever time passes, and their only timers are their beats", async () => {
  const shared = start();
  const nodes = await joinAll(shared, 3);
  expect(shared.nodes).toEqual(nodes.map(({ id }) => id));
  expect(await nodes[1].membership.nodes()).toEqual(shared.nodes);
  expect(shared.clock.armed).toBe(3);
  await shared.clock.advance(10 * lease);
  expect(shared.nodes).toHaveLength(3);
  for (const { log } of nodes) await log[Symbol.asyncDispose]();
  expect([shared.nodes, shared.clock.armed]).toEqual([[], 0]);
});

test("a killed node is taken for gone once its lease is over, and not before", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  await shared.clock.advance(third);
  two.log.kill();
  await shared.clock.advance(lease - 1);
  expect(shared.nodes).toHaveLength(2);
  await shared.clock.advance(1);
  expect(shared.nodes).toEqual([one.id]);
});

test("the lease can be chosen", async () => {
  const shared = start({ lease: 300 });
  const [, two] = await joinAll(shared, 2);
  two.log.kill();
  await shared.clock.advance(299);
  expect(shared.nodes).toHaveLength(2);
  await shared.clock.advance(101);
  expect(shared.nodes).toHaveLength(1);
});

test("every request is a sign of life: a dead node's lease counts from its last one", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  await shared.clock.advance(third / 2);
  await two.log.read("a", {});
  two.log.kill();
  three.log.kill();
  await shared.clock.advance(lease - third / 2);
  expect(shared.nodes).toEqual([one.id, two.id]);
  await shared.clock.advance(third);
  expect(shared.nodes).toEqual([one.id]);
});

test("what a dead node held goes to the member that has lived longest, at once and all of it", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  for (const record of ["r1", "r2", "r3"]) await hold(three, record);
  await hold(two, "r4");
  three.log.kill();
  await shared.clock.advance(2 * lease);
  expect([one.inherited, two.inherited, three.inherited]).toEqual([["r1", "r2", "r3"], [], []]);
  expect(holders(shared)).toEqual({ r1: one.id, r2: one.id, r3: one.id, r4: two.id });
});

test("if the heir dies, everything goes to the next, also what the heir was not told yet", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  await hold(three, "r");
  three.log.kill();
  await shared.clock.advance(lease - 1);
  one.log.cut();
  await shared.clock.advance(2);
  await shared.clock.advance(2 * lease);
  expect(one.inherited).toEqual([]);
  expect(two.inherited).toEqual(["r"]);
});

test("an heir is told once what it inherits", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  await hold(two, "r1");
  await hold(three, "r2");
  for (const { log } of [two, three]) {
    log.kill();
    await shared.clock.advance(2 * lease);
  }
  expect(one.inherited).toEqual(["r1", "r2"]);
});

test("of two that die at once the third inherits everything", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  await hold(one, "r1");
  await hold(two, "r2");
  one.log.kill();
  two.log.kill();
  await shared.clock.advance(2 * lease);
  expect(three.inherited).toEqual(["r1", "r2"]);
  expect(shared.nodes).toEqual([three.id]);
});

test("with nobody left, the first that joins inherits what the last ones have left", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  await hold(one, "r1");
  await hold(two, "r2");
  await one.log[Symbol.asyncDispose]();
  await two.log[Symbol.asyncDispose]();
  expect(holders(shared)).toEqual({ r1: two.id, r2: two.id });
  const [three, four] = await joinAll(shared, 2);
  expect([three.inherited, four.inherited]).toEqual([["r1", "r2"], []]);
});

test("of a node that died alone, the next one inherits after two thirds of a lease", async () => {
  const shared = start();
  const one = await join(shared);
  await hold(one, "r");
  one.log.kill();
  await shared.clock.advance(100 * lease);
  const two = await join(shared);
  await shared.clock.advance(2 * third - 1);
  expect(two.inherited).toEqual([]);
  await shared.clock.advance(1);
  expect([two.inherited, shared.nodes]).toEqual([["r"], [two.id]]);
});

test("a node that leaves hands over at once, behind everything that it has asked for", async () => {
  const shared = start({ latency: 10 });
  const joining = joinAll(shared, 2);
  await shared.clock.advance(100);
  const [one, two] = await joining;
  void hold(two, "r1");
  void hold(two, "r2");
  void two.membership.release("r1");
  const leaving = two.membership[Symbol.asyncDispose]();
  await shared.clock.advance(10);
  expect(holders(shared)).toEqual({ r2: one.id });
  expect(two.losses).toEqual([]);
  await shared.clock.advance(10);
  expect(one.inherited).toEqual(["r2"]);
  await leaving;
});

test("a node that has left may append, cannot hold, and may join again under another name", async () => {
  const shared = start();
  const one = await join(shared);
  await one.membership[Symbol.asyncDispose]();
  await append(one, "1");
  await expect(hold(one, "r")).rejects.toThrow('Cannot hold "r": call join() first, and await it');
  await one.membership.release("r");
  const again = await join(shared, one.log);
  expect(again.id).not.toBe(one.id);
  expect(shared.nodes).toEqual([again.id]);
});

test("a log has one member at a time", async () => {
  const shared = start();
  const one = await join(shared);
  const member = { inherits() {}, lost() {} };
  await expect(one.log.join(member)).rejects.toThrow("Cannot join: this log has a member. Dispose it first");
  const fresh = shared.open();
  const joining = [fresh.join(member), fresh.join(member)];
  await expect(joining[1]).rejects.toThrow("Cannot join");
  await joining[0];
  expect(shared.nodes).toHaveLength(2);
});

test("cut off for longer than its lease, a node is lost: it is told, and its appends are refused until it joins again", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  await hold(two, "r");
  two.log.cut();
  await shared.clock.advance(2 * lease);
  expect([one.inherited, two.losses]).toEqual([["r"], []]);
  two.log.heal();
  const appending = outcome(append(two, "late"));
  const releasing = outcome(two.membership.release("r") as Promise<void>);
  await shared.clock.settle();
  const lost = expect.objectContaining({
    name: "LogError",
    lasting: false,
    message:
      "Cannot write to the log: the store has heard nothing from this node for 15000 ms, and takes it for gone. It may join again",
  });
  expect([two.losses, appending.now, releasing.now]).toEqual([[lost], lost, undefined]);
  await expect(append(two, "later")).rejects.toEqual(lost);
  expect([payloads(shared), holders(shared)]).toEqual([["1"], { r: one.id }]);
  expect((await two.log.read("a", {})).top).toBe(1);
  // The only timer is that of the other node.
  expect(shared.clock.armed).toBe(1);
  const back = await join(shared, two.log);
  expect(back.id).not.toBe(two.id);
  await hold(back, "s");
  expect([shared.nodes, holders(shared)]).toEqual([[one.id, back.id], { r: one.id, s: back.id }]);
  expect([back.losses, two.losses.length, shared.clock.armed]).toEqual([[], 1, 2]);
});

test("what a lost node has sent before is refused, although the store knows its old name again", async () => {
  const shared = start({ latency: 20 });
  const joining = joinAll(shared, 2);
  await shared.clock.advance(1_000);
  const [one, two] = await joining;
  const snapshot = shared.snapshot();
  two.log.cut();
  await shared.clock.advance(2 * lease);
  two.log.heal();
  await shared.clock.advance(10);
  const appending = outcome(append(two, "late"));
  await shared.clock.advance(15);
  expect(two.losses.length).toBe(1);
  shared.rollback(snapshot);
  await shared.clock.advance(25);
  expect(appending.now).toMatchObject({ name: "LogError", lasting: false });
  await shared.clock.advance(2 * lease);
  expect([payloads(shared), shared.nodes]).toEqual([[], [one.id]]);
});

test("an append that comes after the lease is over is refused, although its node was not told yet", async () => {
  const shared = start({ latency: 20 });
  const joining = joinAll(shared, 2);
  await shared.clock.advance(1_000);
  const [one, two] = await joining;
  two.log.cut({ hang: true });
  const appending = outcome(append(two, "late"));
  await shared.clock.advance(2 * lease);
  two.log.heal();
  await shared.clock.advance(40);
  expect([appending.now, two.losses.length]).toEqual([expect.objectContaining({ lasting: false }), 1]);
  expect([shared.nodes, payloads(shared)]).toEqual([[one.id], []]);
});

test("cut off for less than its lease, a node goes on, and is told what it has inherited meanwhile", async () => {
  const shared = start();
  const [one, two, three] = await joinAll(shared, 3);
  await hold(three, "r");
  three.log.kill();
  await shared.clock.advance(lease - third);
  one.log.cut();
  await shared.clock.advance(2 * third - 1);
  expect([holders(shared), one.inherited]).toEqual([{ r: one.id }, []]);
  one.log.heal();
  await shared.clock.settle();
  expect([one.inherited, one.losses, shared.nodes]).toEqual([["r"], [], [one.id, two.id]]);
});

test("while the store stands still, nobody's silence counts", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  const dead = await join(shared);
  dead.log.kill();
  await shared.clock.advance(third);
  shared.pause();
  await shared.clock.advance(10 * lease);
  shared.resume();
  await shared.clock.settle();
  expect(shared.nodes).toEqual([one.id, two.id, dead.id]);
  await shared.clock.advance(lease);
  expect(shared.nodes).toEqual([one.id, two.id]);
});

test("while nobody reaches the store, nobody's silence counts", async () => {
  const shared = start();
  const nodes = await joinAll(shared, 3);
  for (const { log } of nodes) log.cut();
  await shared.clock.advance(10 * lease);
  for (const { log } of nodes) log.heal();
  await shared.clock.advance(lease);
  expect(shared.nodes).toEqual(nodes.map(({ id }) => id));
  expect(nodes.flatMap(({ losses }) => losses)).toEqual([]);
});

test("a member that throws harms nobody", async () => {
  const shared = start();
  const fail = (): never => {
    throw new Error("a callback that throws");
  };
  const log = shared.open();
  await log.join({ inherits: fail, lost: fail, renewed: fail });
  const two = await join(shared);
  await hold(two, "r");
  await two.log[Symbol.asyncDispose]();
  shared.wipe();
  await shared.clock.settle();
  expect(shared.nodes).toHaveLength(1);
  await append({ log }, "1");
  expect(payloads(shared)).toEqual(["1"]);
});
