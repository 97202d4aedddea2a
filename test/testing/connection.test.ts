import { expect, test } from "vitest";
import { ClosedError, LogError } from "../../src/model/errors.ts";
import type { Position } from "../../src/model/log.ts";
import { append, join, outcome, payloads, start } from "./shared-tools.ts";

const temporary = expect.objectContaining({ name: "LogError", lasting: false });
const offset = (n: number) => expect.objectContaining({ offset: n });

test("without a latency calls are answered in microtasks, and no timer is set", async () => {
  const shared = start();
  const log = shared.open();
  const appending = append({ log }, "1");
  expect(payloads(shared)).toEqual([]);
  expect(await appending).toMatchObject({ offset: 1 });
  expect(shared.clock.armed).toBe(0);
});

test("a latency is the time of a request, and of its answer", async () => {
  const shared = start({ latency: 10 });
  const appending = outcome(append({ log: shared.open() }, "1"));
  await shared.clock.advance(9);
  expect(payloads(shared)).toEqual([]);
  await shared.clock.advance(1);
  expect([payloads(shared), appending.now]).toEqual([["1"], "pending"]);
  await shared.clock.advance(9);
  expect(appending.now).toBe("pending");
  await shared.clock.advance(1);
  expect(appending.now).toMatchObject({ offset: 1 });
  expect(shared.clock.armed).toBe(0);
});

test("nothing overtakes what was sent before it, however long each takes", async () => {
  const times = [50, 1, 20, 1, 1, 30];
  const shared = start({ latency: () => times.shift() ?? 1 });
  const log = shared.open();
  const order: number[] = [];
  for (const n of [1, 2, 3]) void append({ log }, String(n)).then(() => order.push(n));
  await shared.clock.advance(49);
  expect(payloads(shared)).toEqual([]);
  await shared.clock.advance(1);
  expect(payloads(shared)).toEqual(["1", "2", "3"]);
  await shared.clock.advance(100);
  expect(order).toEqual([1, 2, 3]);
});

test("a wake takes its time too, and carries the entry with its origin", async () => {
  const shared = start({ latency: 10 });
  const [one, two] = [shared.open(), shared.open()];
  const wakes: unknown[] = [];
  void two.watch("a", (hint) => wakes.push(hint));
  await shared.clock.advance(20);
  void append({ log: one }, "1", { tags: { kind: "x" }, origin: "n" });
  await shared.clock.advance(19);
  expect(wakes).toEqual([]);
  await shared.clock.advance(1);
  const { epoch } = shared.inspect().channels.a as { epoch: string };
  expect(wakes).toEqual([{ offset: 1, data: "1", time: 0, tags: { kind: "x" }, origin: "n", epoch }]);
});

test("what a caller changes after an append is not appended", async () => {
  const shared = start();
  const tags = { kind: "x" };
  const appending = append({ log: shared.open() }, "1", { tags });
  tags.kind = "y";
  await appending;
  expect(shared.inspect().channels.a?.entries[0]?.tags).toEqual({ kind: "x" });
});

test("an abort withdraws a request on its way; one that was served is answered all the same", async () => {
  const shared = start({ latency: 10 });
  const node = { log: shared.open() };
  const controllers = [new AbortController(), new AbortController()];
  const [withdrawn, served] = controllers.map(({ signal }, at) =>
    outcome(append(node, String(at), { signal })),
  );
  controllers[0]?.abort("why");
  await shared.clock.advance(10);
  controllers[1]?.abort("why");
  await shared.clock.settle();
  expect([withdrawn?.now, served?.now, payloads(shared)]).toEqual(["why", "pending", ["1"]]);
  await shared.clock.advance(10);
  expect(served?.now).toEqual(offset(1));
});

test("cut off, a node's calls fail with an error that is not lasting, those under way too", async () => {
  const shared = start({ latency: 10 });
  const node = { log: shared.open() };
  const served = outcome(append(node, "served"));
  await shared.clock.advance(10);
  const underWay = outcome(append(node, "under way"));
  node.log.cut();
  const late = outcome(append(node, "late"));
  const reading = outcome(node.log.read("a", {}) as Promise<unknown>);
  await shared.clock.advance(100);
  expect([served.now, underWay.now, late.now, reading.now]).toEqual(Array(4).fill(temporary));
  expect(payloads(shared)).toEqual(["served"]);
  expect(shared.clock.armed).toBe(0);
});

test("cut off with `hang`, calls wait until the link is healed; what was under way rejects then", async () => {
  const shared = start({ latency: 10 });
  const node = { log: shared.open() };
  const served = outcome(append(node, "served"));
  await shared.clock.advance(10);
  const underWay = outcome(append(node, "under way"));
  node.log.cut({ hang: true });
  const late = outcome(append(node, "late"));
  await shared.clock.advance(100_000);
  expect([served.now, underWay.now, late.now]).toEqual(["pending", "pending", "pending"]);
  node.log.heal();
  await shared.clock.settle();
  expect([served.now, underWay.now, late.now]).toEqual([temporary, temporary, "pending"]);
  await shared.clock.advance(20);
  expect(late.now).toEqual(offset(2));
  expect(payloads(shared)).toEqual(["served", "late"]);
});

test("an append whose answer was lost, sent again, gets the first answer", async () => {
  const shared = start({ latency: 10 });
  const node = { log: shared.open() };
  const once = { by: "w", n: 1 };
  const first = outcome(append(node, "1", { once }));
  await shared.clock.advance(10);
  node.log.cut();
  node.log.heal();
  const again = outcome(append(node, "1", { once }));
  await shared.clock.advance(20);
  expect([first.now, again.now]).toEqual([temporary, offset(1)]);
  expect(payloads(shared)).toEqual(["1"]);
});

test("a wait that hangs ends with the reason of its signal, and is not made later", async () => {
  const shared = start();
  const node = { log: shared.open() };
  node.log.cut({ hang: true });
  const controller = new AbortController();
  const appending = outcome(append(node, "1", { signal: controller.signal }));
  controller.abort("why");
  await shared.clock.settle();
  expect(appending.now).toBe("why");
  node.log.heal();
  await shared.clock.settle();
  expect(payloads(shared)).toEqual([]);
});

test("a link that hangs may be cut: what waits fails", async () => {
  const shared = start();
  const node = { log: shared.open() };
  node.log.cut({ hang: true });
  const appending = outcome(append(node, "1"));
  node.log.cut();
  await shared.clock.settle();
  expect(appending.now).toEqual(temporary);
});

test("wakes are lost while a node is cut off, and all its watches wake when it is healed", async () => {
  const shared = start();
  const [one, two] = [shared.open(), shared.open()];
  const wakes: unknown[] = [];
  await two.watch("a", (hint) => wakes.push(hint));
  await two.watch("b", (hint) => wakes.push(hint));
  two.cut();
  await append({ log: one }, "1");
  await shared.clock.settle();
  expect(wakes).toEqual([]);
  two.heal();
  await shared.clock.settle();
  expect(wakes).toEqual([undefined, undefined]);
});

test("a watch whose answer is lost never wakes, and is not kept", async () => {
  const shared = start({ latency: 10 });
  const [one, two] = [shared.open(), shared.open()];
  const wakes: unknown[] = [];
  const watching = outcome(two.watch("a", (hint) => wakes.push(hint)) as Promise<unknown>);
  await shared.clock.advance(10);
  expect(shared.inspect().watches).toBe(1);
  two.cut();
  two.heal();
  void append({ log: one }, "1");
  await shared.clock.advance(100);
  expect([watching.now, wakes, shared.inspect().watches]).toEqual([temporary, [], 0]);
});

test("requests to a store that stands still wait there, and are served in their order when it goes on", async () => {
  const shared = start();
  const [one, two] = [shared.open(), shared.open()];
  shared.pause();
  const calls = [append({ log: one }, "1"), append({ log: two }, "2"), append({ log: one }, "3")].map(
    outcome,
  );
  await shared.clock.advance(100_000);
  expect(calls.map(({ now }) => now)).toEqual(["pending", "pending", "pending"]);
  shared.resume();
  await shared.clock.settle();
  expect(calls.map(({ now }) => (now as Position).offset)).toEqual([1, 2, 3]);
  expect(payloads(shared)).toEqual(["1", "2", "3"]);
});

test("what waits at a store that stands still is made, although its node stops waiting, is cut off or killed", async () => {
  const shared = start();
  const logs = [shared.open(), shared.open(), shared.open()];
  const controller = new AbortController();
  shared.pause();
  const calls = logs.map((log, at) => outcome(append({ log }, String(at), { signal: controller.signal })));
  await shared.clock.settle();
  logs[1]?.cut();
  logs[2]?.kill();
  controller.abort("why");
  await shared.clock.settle();
  expect(calls.map(({ now }) => now)).toEqual(["why", temporary, "why"]);
  shared.resume();
  await shared.clock.settle();
  expect(payloads(shared)).toEqual(["0", "1", "2"]);
});

test("what is served while its node is cut off or killed is not answered", async () => {
  const shared = start();
  const [one, two] = [shared.open(), shared.open()];
  shared.pause();
  const calls = [one, two].map((log) => outcome(append({ log }, "1")));
  await shared.clock.settle();
  one.cut({ hang: true });
  two.kill();
  shared.resume();
  await shared.clock.settle();
  expect([calls.map(({ now }) => now), payloads(shared)]).toEqual([
    ["pending", "pending"],
    ["1", "1"],
  ]);
  one.heal();
  await shared.clock.settle();
  expect(calls.map(({ now }) => now)).toEqual([temporary, "pending"]);
});

test("what is lost on its way is not made, also where nothing takes any time", async () => {
  const shared = start();
  const log = shared.open();
  const lost = outcome(append({ log }, "lost"));
  log.cut();
  log.heal();
  const made = outcome(append({ log }, "made"));
  await shared.clock.settle();
  expect([lost.now, made.now]).toEqual([temporary, offset(1)]);
  expect(payloads(shared)).toEqual(["made"]);
});

test("a node that is killed is never answered, never woken, and keeps no watch", async () => {
  const shared = start({ latency: 10 });
  const [one, two] = [shared.open(), shared.open()];
  const wakes: unknown[] = [];
  void two.watch("a", (hint) => wakes.push(hint));
  await shared.clock.advance(20);
  const served = outcome(append({ log: two }, "served"));
  await shared.clock.advance(10);
  const underWay = outcome(append({ log: two }, "under way"));
  two.kill();
  expect(shared.clock.armed).toBe(0);
  two.cut();
  two.heal();
  const late = outcome(append({ log: two }, "late"));
  void append({ log: one }, "other");
  await shared.clock.advance(100);
  expect([served.now, underWay.now, late.now, wakes]).toEqual(["pending", "pending", "pending", []]);
  expect(payloads(shared)).toEqual(["served", "other"]);
  expect([shared.inspect().watches, shared.clock.armed]).toEqual([0, 0]);
});

test.for(["open", "cut", "hanging", "killed", "with a request under way"] as const)(
  "disposed while it is %s, a log rejects everything that waits, and leaves no timer",
  async (state) => {
    const shared = start({ latency: 10 });
    const log = shared.open();
    const joining = join(shared, log);
    await shared.clock.advance(20);
    await joining;
    const watching = log.watch("a", () => {}) as Promise<unknown>;
    await shared.clock.advance(20);
    await watching;
    if (state === "cut") log.cut();
    if (state === "hanging") log.cut({ hang: true });
    if (state === "killed") log.kill();
    const waiting = state === "open" ? undefined : outcome(append({ log }, "1"));
    const disposing = log[Symbol.asyncDispose]();
    const late = outcome(append({ log }, "2"));
    await shared.clock.advance(20);
    await disposing;
    await log[Symbol.asyncDispose]();
    expect(late.now).toBeInstanceOf(ClosedError);
    if (state === "cut") expect(waiting?.now).toBeInstanceOf(LogError);
    if (state === "hanging" || state === "killed") expect(waiting?.now).toBeInstanceOf(ClosedError);
    // It was asked before the node left.
    if (state === "with a request under way") expect(waiting?.now).toEqual(offset(1));
    expect([shared.inspect().watches, shared.clock.armed]).toEqual([0, 0]);
  },
);
