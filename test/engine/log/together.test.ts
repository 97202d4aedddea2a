import { expect, test } from "vitest";
import { type AppendQueuesParts, type AppendSteps, exempt } from "../../../src/engine/log/append-queue.ts";
import { AppendQueues } from "../../../src/engine/log/append-queues.ts";
import { LogHealth } from "../../../src/engine/log/log-health.ts";
import { ClosedError, LogError, SealedError } from "../../../src/model/errors.ts";
import type { AppendOptions, Position } from "../../../src/model/log.ts";
import { fakeClock } from "../../../src/testing.ts";
import { deferred, logWith, outcomeOf } from "../../support/core.ts";

/** A call of the log: what it appends, and the number that it has. */
interface Call {
  readonly data: readonly string[];
  readonly once: AppendOptions["once"];
}

/** Makes append queues on a log that takes several publications together. `before` is called at the start of each call. */
function make(
  before: (call: Call) => Promise<unknown> | undefined = () => undefined,
  parts: Partial<AppendQueuesParts> = {},
) {
  const clock = fakeClock();
  const calls: Call[] = [];
  const errors: unknown[] = [];
  const called = async (data: readonly string[], once: AppendOptions["once"]): Promise<void> => {
    const call = { data, once };
    calls.push(call);
    await before(call);
  };
  const log = logWith(clock, (memory) => ({
    async append(channel, data, { signal: _, once, ...options }) {
      await called([data], once);
      return memory.append(channel, data, options);
    },
    async appendAll(channel, entries, { signal: _, once, ...options }) {
      await called(
        entries.map(({ data }) => data),
        once,
      );
      let last: Position = { offset: 0, epoch: "" };
      for (const { data, ...entry } of entries)
        last = await memory.append(channel, data, { ...options, ...entry });
      return last;
    },
  }));
  const queues: AppendQueues = new AppendQueues({
    ...{ log, clock, health: new LogHealth(clock), most: 67_108_864, isHeard: () => true },
    schedule: () => clock.turn(() => queues.turn()),
    onError: (error) => void errors.push(error),
    ...parts,
  });
  const publish = (data: string, options: Partial<AppendOptions> = {}, steps?: AppendSteps) =>
    outcomeOf(Promise.resolve(queues.append("news", data, { time: 0, ...options }, steps)));
  const logged = async () => (await log.read("news", {})).entries.map(({ data }) => data);
  const asked = () => calls.map(({ data }) => data);
  return { clock, calls, asked, errors, queues, publish, logged };
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => String(from + n));

test("what waits behind an append is appended together, in order, and each publisher gets its position", async () => {
  const { clock, asked, calls, queues, publish, logged } = make();
  const outcomes = numbers(1, 150).map((data) => publish(data, { tags: { data } }));
  await clock.advance(1_000);
  expect(asked()).toEqual([["1"], numbers(2, 65), numbers(66, 129), numbers(130, 150)]);
  expect(await logged()).toEqual(numbers(1, 150));
  expect(outcomes.map(({ value }) => value?.offset)).toEqual(numbers(1, 150).map(Number));
  expect(calls.map(({ once }) => once?.n)).toEqual([1, 2, 3, 4]);
  expect([queues.size, queues.bytes, clock.armed]).toEqual([0, 0, 0]);
});

test("no more than 64 kB are appended together, but a larger publication all the same", async () => {
  const { clock, asked, publish } = make();
  const outcomes = [10, 30_000, 30_000, 30_000, 90_000, 10, 10].map((chars) => publish("x".repeat(chars)));
  await clock.advance(1_000);
  expect(asked().map((data) => data.map(({ length }) => length))).toEqual([
    [10],
    [30_000, 30_000],
    [30_000],
    [90_000],
    [10, 10],
  ]);
  expect(outcomes.map(({ value }) => value?.offset)).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test("what the log answers each for itself is appended alone, in its place", async () => {
  const { clock, asked, publish, logged } = make();
  const current = (): object => ({});
  const of = [
    publish("first"),
    publish("a"),
    publish("b"),
    publish("key", { key: { text: "k", ttl: 1_000 } }),
    publish("c"),
    publish("d", {}, exempt),
    publish("confirmed", {}, { admit: () => undefined }),
    publish("e"),
    publish("f"),
    publish("other retention", { retention: { size: 10 } }),
    publish("same retention", { retention: { size: 10 } }),
    publish("of a run", {}, { current }),
    publish("of the same run", {}, { current }),
    publish("state", { state: "s" }),
    publish("last", { place: "last" }),
  ];
  await clock.advance(1_000);
  const wanted = [
    ["first"],
    ["a", "b"],
    ["key"],
    ["c", "d"],
    ["confirmed"],
    ["e", "f"],
    ["other retention", "same retention"],
    ["of a run", "of the same run"],
    ["state"],
    ["last"],
  ];
  expect(asked()).toEqual(wanted);
  expect(of.map(({ value }) => value?.offset)).toEqual(of.map((_, n) => n + 1));
  expect(await logged()).toEqual(wanted.flat());
});

test("publications whose answer was lost are sent again together, with the same number", async () => {
  let count = 0;
  const { clock, calls, publish } = make(() => {
    count++;
    return count === 2 || count === 3 ? Promise.reject(new Error("away")) : undefined;
  });
  const outcomes = numbers(1, 4).map((data) => publish(data));
  await clock.settle();
  const later = publish("5");
  await clock.advance(5_000);
  const [, first, ...rest] = calls;
  expect(calls.map(({ data, once }) => [data, once?.n])).toEqual([
    [["1"], 1],
    [["2", "3", "4"], 2],
    [["2", "3", "4"], 2],
    [["2", "3", "4"], 2],
    [["5"], 3],
  ]);
  expect(new Set(rest.map(({ once }) => once?.by))).toEqual(new Set([first?.once?.by]));
  expect([...outcomes, later].map(({ value }) => value?.offset)).toEqual([1, 2, 3, 4, 5]);
});

test("whoever stops waiting is rejected at once, and the others get their positions", async () => {
  const gate = deferred();
  const { clock, asked, queues, publish } = make(({ data }) => (data.length > 1 ? gate.promise : undefined));
  const controller = new AbortController();
  const [, two, three, four] = numbers(1, 4).map((data) =>
    publish(data, data === "3" ? { signal: controller.signal } : {}),
  );
  await clock.settle();
  expect(asked()).toEqual([["1"], ["2", "3", "4"]]);
  controller.abort("enough");
  await clock.settle();
  expect([two?.state, three?.reason, four?.state, queues.size]).toEqual(["pending", "enough", "pending", 3]);
  // The channel is busy: nothing overtakes.
  const five = publish("5");
  await clock.settle();
  gate.resolve();
  await clock.settle();
  expect([two, four, five].map((each) => each?.value?.offset)).toEqual([2, 4, 5]);
  expect(queues.size).toBe(0);
});

test("once all have stopped waiting, it is not tried again, and the next append has a new writer", async () => {
  const gate = deferred();
  let fails = false;
  const { clock, calls, publish, queues } = make(({ data: [first] }) => {
    if (first === "1") return gate.promise;
    return fails ? Promise.reject(new Error("away")) : undefined;
  });
  const controller = new AbortController();
  const { signal } = controller;
  publish("1");
  const gone = ["2", "3", "4"].map((data) => publish(data, { signal }));
  fails = true;
  gate.resolve();
  await clock.advance(200);
  const count = calls.length;
  expect(calls.at(-1)?.data).toEqual(["2", "3", "4"]);
  controller.abort("enough");
  fails = false;
  const after = publish("5");
  await clock.advance(10_000);
  expect(gone.map(({ reason }) => reason)).toEqual(["enough", "enough", "enough"]);
  expect(calls.slice(count).map(({ data }) => data)).toEqual([["5"]]);
  expect(calls.at(-1)?.once?.by).not.toBe(calls[0]?.once?.by);
  expect([after.state, queues.size, clock.armed]).toEqual(["fulfilled", 0, 0]);
});

test("what refuses one refuses all, and does not count for the writer", async () => {
  const { clock, calls, publish } = make(({ data }) =>
    data.includes("3") ? Promise.reject(new SealedError("news")) : undefined,
  );
  const [one, ...refused] = ["1", "2", "3"].map((data) => publish(data));
  await clock.settle();
  const next = publish("4");
  await clock.settle();
  expect([one?.value?.offset, next.value?.offset]).toEqual([1, 2]);
  for (const { reason } of refused) expect(reason).toBeInstanceOf(SealedError);
  expect(calls.map(({ once }) => once?.n)).toEqual([1, 2, 2]);
});

test("an error that no retry can fix rejects all, and is reported once", async () => {
  const lasting = new LogError("The log is lost", { lasting: true });
  const { clock, errors, publish } = make(({ data }) =>
    data.length > 1 ? Promise.reject(lasting) : undefined,
  );
  const outcomes = ["1", "2", "3"].map((data) => publish(data));
  await clock.settle();
  expect(outcomes.map(({ reason }) => reason)).toEqual([undefined, lasting, lasting]);
  expect(errors).toEqual([lasting]);
});

test("when the queues end, all that are under way together reject, and nothing is left", async () => {
  const { clock, queues, publish } = make(({ data }) =>
    data.length > 1 ? new Promise(() => {}) : undefined,
  );
  const { signal } = new AbortController();
  const outcomes = ["1", "2", "3"].map((data) => publish(data, { signal }));
  await clock.settle();
  queues.end();
  await clock.settle();
  for (const { reason } of outcomes.slice(1)) expect(reason).toBeInstanceOf(ClosedError);
  expect([queues.size, queues.count("task"), clock.armed]).toEqual([0, 0, 0]);
});

test("no more are appended together than a turn has room for", async () => {
  const { clock, asked, publish, logged } = make(undefined, { turn: 4_000 });
  for (const data of numbers(1, 40)) publish(data.padEnd(200));
  await clock.advance(1_000);
  expect((await logged()).map((data) => data.trim())).toEqual(numbers(1, 40));
  const most = Math.max(...asked().map(({ length }) => length));
  expect(most).toBeGreaterThan(1);
  // Each counts 192 bytes besides its payload.
  expect(most).toBeLessThanOrEqual(Math.ceil(4_000 / 392));
});

test("a log that answers at once appends each by itself", async () => {
  const clock = fakeClock();
  const log = logWith(clock, () => ({
    appendAll: () => Promise.reject(new Error("Nothing is appended together")),
  }));
  const queues: AppendQueues = new AppendQueues({
    ...{ log, clock, health: new LogHealth(clock), most: 67_108_864, isHeard: () => true, turn: 1_000 },
    schedule: () => clock.turn(() => queues.turn()),
    onError() {},
  });
  const outcomes = numbers(1, 20).map((data) =>
    outcomeOf(Promise.resolve(queues.append("news", data.padEnd(200), { time: 0 }))),
  );
  await clock.settle();
  expect(outcomes.map(({ value }) => value?.offset)).toEqual(numbers(1, 20).map(Number));
});
