import { expect, test } from "vitest";
import { sharedLog } from "../../src/testing.ts";
import { append, hold, holders, join, joinAll, lease, outcome, payloads, start } from "./shared-tools.ts";

test("rolled back, the store has what it had, and each channel goes on in another epoch up to there", async () => {
  const shared = start();
  const one = await join(shared);
  const kept = await append(one, "1", { state: "before" });
  const snapshot = shared.snapshot();
  const lost = await append(one, "lost", { state: "after", place: "last" });
  await one.log.append("b", "lost", { time: 0 });
  shared.rollback(snapshot);
  const { epoch } = await append(one, "2");
  expect(epoch).not.toBe(kept.epoch);
  const slice = await one.log.read("a", { after: kept });
  expect(slice).toMatchObject({ epoch, top: 2, gapless: true, state: "before", lineage: [kept] });
  expect(slice.sealed).toBeUndefined();
  expect(slice.entries).toEqual([{ offset: 2, data: "2", time: 0 }]);
  expect((await one.log.read("a", { after: lost })).gapless).toBe(false);
  expect(payloads(shared)).toEqual(["1", "2"]);
  expect((await one.log.read("b", {})).top).toBe(0);
});

test("rolled back to what it has now, a store has lost nothing: every position stays good", async () => {
  const shared = start();
  const log = shared.open();
  const last = await append({ log }, "1");
  shared.rollback(shared.snapshot());
  expect(await log.read("a", { after: last })).toMatchObject({ gapless: true, top: 1 });
});

test("a snapshot can be used again and again, and no position ever comes twice", async () => {
  const shared = start();
  const log = shared.open();
  await append({ log }, "1");
  const snapshot = shared.snapshot();
  const positions: string[] = [];
  for (const round of ["x", "y", "z"]) {
    shared.rollback(snapshot);
    const { epoch, offset } = await append({ log }, round);
    positions.push(`${offset} ${epoch}`);
    expect(payloads(shared)).toEqual(["1", round]);
  }
  expect(new Set(positions).size).toBe(3);
});

test("what members do after a rollback does not change the snapshot", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  await hold(two, "r");
  const snapshot = shared.snapshot();
  shared.rollback(snapshot);
  await two.membership.release("r");
  await two.log[Symbol.asyncDispose]();
  expect([shared.nodes, holders(shared)]).toEqual([[one.id], {}]);
  shared.rollback(snapshot);
  expect([shared.nodes, holders(shared)]).toEqual([[one.id, two.id], { r: two.id }]);
});

test("a channel remembers the last eight epochs that it continues", async () => {
  const shared = start();
  const log = shared.open();
  const positions = [await append({ log }, "1")];
  for (let round = 2; round <= 10; round++) {
    shared.rollback(shared.snapshot());
    positions.push(await append({ log }, String(round)));
  }
  const { lineage } = await log.read("a", {});
  expect(lineage).toEqual(positions.slice(1, 9).reverse());
  const served = await Promise.all(positions.map(async (after) => (await log.read("a", { after })).gapless));
  expect(served).toEqual([false, ...Array(9).fill(true)]);
});

test("after a rollback a writer goes on, and what it sends again of before is not made twice", async () => {
  const shared = start();
  const log = shared.open();
  const as = (n: number) => ({ once: { by: "w", n } });
  for (const n of [1, 2]) await append({ log }, String(n), as(n));
  const snapshot = shared.snapshot();
  for (const n of [3, 4]) await append({ log }, "lost", as(n));
  shared.rollback(snapshot);
  expect(await append({ log }, "2", as(2))).toMatchObject({ offset: 2 });
  await expect(append({ log }, "1", as(1))).rejects.toThrow("its last was 2");
  expect(await append({ log }, "5", as(5))).toMatchObject({ offset: 3 });
  await expect(append({ log }, "7", as(7))).rejects.toThrow("its last was 5");
  expect(payloads(shared)).toEqual(["1", "2", "5"]);
});

test("after a rollback a key is known that was used before the snapshot, and no other", async () => {
  const shared = start();
  const log = shared.open();
  const key = (text: string) => ({ key: { text, ttl: 60_000 } });
  await append({ log }, "1", key("x"));
  const snapshot = shared.snapshot();
  await append({ log }, "lost", key("y"));
  shared.rollback(snapshot);
  expect(await append({ log }, "x", key("x"))).toMatchObject({ offset: 1 });
  expect(await append({ log }, "2", key("y"))).toMatchObject({ offset: 2 });
  expect(payloads(shared)).toEqual(["1", "2"]);
});

test("all members are told of a rollback, and all watches wake; who is cut off hears of it later", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  const wakes: number[] = [];
  for (const [at, node] of [one, two].entries()) await node.log.watch("a", () => wakes.push(at));
  two.log.cut();
  shared.rollback(shared.snapshot());
  await shared.clock.settle();
  expect([one.renewals(), two.renewals(), wakes]).toEqual([1, 0, [0]]);
  two.log.heal();
  await shared.clock.settle();
  expect([one.renewals(), two.renewals(), new Set(wakes)]).toEqual([1, 1, new Set([0, 1])]);
  expect(shared.nodes).toEqual([one.id, two.id]);
});

test("after a rollback members hold what they held then, and hold again what they still need", async () => {
  const shared = start();
  const one = await join(shared);
  await hold(one, "before");
  const snapshot = shared.snapshot();
  const held = await hold(one, "after");
  await one.membership.release("before");
  const two = await join(shared);
  shared.rollback(snapshot);
  await shared.clock.settle();
  expect([holders(shared), shared.nodes]).toEqual([{ before: one.id }, [one.id, two.id]]);
  await one.membership.release("before");
  await one.membership.hold(held);
  expect(shared.inspect().records).toEqual([{ held, node: one.id }]);
  await shared.clock.advance(10 * lease);
  expect([one.losses, two.losses, shared.nodes]).toEqual([[], [], [one.id, two.id]]);
});

test("a member that has left since the snapshot is there again, is silent, and its records go to an heir", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  await hold(two, "r");
  const snapshot = shared.snapshot();
  await two.membership.release("r");
  await two.log[Symbol.asyncDispose]();
  expect(holders(shared)).toEqual({});
  shared.rollback(snapshot);
  await shared.clock.advance(2 * lease);
  expect([one.inherited, shared.nodes]).toEqual([["r"], [one.id]]);
});

test("a node that was lost stays so, although the store knows it again after a rollback", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  const snapshot = shared.snapshot();
  two.log.cut();
  await shared.clock.advance(2 * lease);
  two.log.heal();
  await shared.clock.settle();
  shared.rollback(snapshot);
  await expect(append(two, "late")).rejects.toMatchObject({ lasting: false });
  await shared.clock.advance(2 * lease);
  expect([two.losses.length, shared.nodes]).toEqual([1, [one.id]]);
});

test("wiped, the store has nothing; members are there again, and told to hold again", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  const before = await append(one, "1", { hold: "r" });
  shared.wipe();
  expect(shared.inspect()).toEqual({ channels: {}, records: [], watches: 0 });
  await shared.clock.settle();
  expect([shared.nodes, one.renewals(), two.renewals()]).toEqual([[one.id, two.id], 1, 1]);
  const after = await append(two, "2");
  expect(after.offset).toBe(1);
  expect(after.epoch).not.toBe(before.epoch);
  expect(await one.log.read("a", { after: before })).toMatchObject({ gapless: false, top: 1 });
  expect((await one.log.read("a", {})).lineage).toBeUndefined();
});

test("a node that was cut off while the store was wiped is not lost", async () => {
  const shared = start();
  const [one, two] = await joinAll(shared, 2);
  two.log.cut();
  await shared.clock.advance(lease - 1);
  shared.wipe();
  await shared.clock.advance(10 * lease);
  expect(shared.nodes).toEqual([one.id]);
  two.log.heal();
  await shared.clock.settle();
  expect([two.losses, two.renewals(), shared.nodes]).toEqual([[], 1, [one.id, two.id]]);
});

test("what was on its way when the store was set back or wiped comes afterwards", async () => {
  const shared = start({ latency: 10 });
  const log = shared.open();
  const snapshot = shared.snapshot();
  const calls = [outcome(append({ log }, "1"))];
  await shared.clock.advance(10);
  calls.push(outcome(append({ log }, "2")));
  shared.rollback(snapshot);
  await shared.clock.advance(20);
  expect(calls.map(({ now }) => (now as { offset: number }).offset)).toEqual([1, 1]);
  expect(payloads(shared)).toEqual(["2"]);
});

test("a record that was being released when the store was set back is released once its member knows that", async () => {
  const shared = start({ latency: 10 });
  const joining = join(shared);
  await shared.clock.advance(20);
  const one = await joining;
  const holding = hold(one, "r");
  await shared.clock.advance(20);
  await holding;
  const releasing = outcome(one.membership.release("r") as Promise<void>);
  shared.rollback(shared.snapshot());
  await shared.clock.advance(15);
  expect([holders(shared), one.renewals()]).toEqual([{ r: one.id }, 1]);
  await shared.clock.advance(30);
  expect([holders(shared), releasing.now]).toEqual([{}, undefined]);
});

test("a snapshot says when it was taken, and is refused by another shared log", () => {
  const [one, other] = [start(), start()];
  const snapshot = one.snapshot();
  expect(snapshot.time).toBe(one.clock.time());
  expect(() => other.rollback(snapshot)).toThrow(
    new TypeError("Cannot roll back: this snapshot is of another shared log"),
  );
});

test("the store can be inspected: channels, records, watches", async () => {
  const shared = start({ size: 1, slack: 0 });
  const one = await join(shared);
  const watch = await one.log.watch("a", () => {});
  const held = await hold(one, "r");
  await append(one, "2", { state: "s", place: "last" });
  const { epoch } = held.position;
  expect(shared.inspect()).toEqual({
    channels: {
      a: {
        ...{ epoch, top: 2, first: 2, gapless: true, state: "s", sealed: true },
        entries: [{ offset: 2, data: "2", time: 0 }],
      },
    },
    records: [{ held, node: one.id }],
    watches: 1,
  });
  await watch[Symbol.asyncDispose]();
  await watch[Symbol.asyncDispose]();
  expect(shared.inspect().watches).toBe(0);
});

test("bounds are those of the log in memory, and may depend on the channel", async () => {
  const shared = start({ size: (channel) => (channel === "a" ? 1 : 2), slack: 0 });
  const log = shared.open();
  for (const name of ["a", "b"])
    for (const data of ["1", "2", "3"]) await log.append(name, data, { time: 0 });
  const { a, b } = shared.inspect().channels;
  expect([a?.entries.length, b?.entries.length]).toEqual([1, 2]);
  expect(log.keeps("b")).toEqual({ size: 2, bytes: 1_048_576, ttl: 300_000, slack: 0 });
});

test.for([
  [{ lease: 0 }, 'Cannot use lease "0": no node could live'],
  [{ lease: -1 }, 'Cannot use lease "-1"'],
  [{ latency: -1 }, 'Cannot use latency "-1"'],
  [{ size: Number.NaN }, 'Cannot use size "NaN"'],
] as const)("options that cannot be used are refused: %o", ([options, message]) => {
  expect(() => sharedLog(options)).toThrow(RangeError);
  expect(() => sharedLog(options)).toThrow(message);
});

test("it works on the clock of the machine", async () => {
  const shared = sharedLog();
  const [one, two] = [shared.open(), shared.open()];
  await one.join({ inherits() {}, lost() {} });
  const position = await one.append("a", "1", { time: 0 });
  expect(await two.read("a", {})).toMatchObject({ top: 1, epoch: position.epoch });
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});
