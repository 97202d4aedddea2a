import { describe, expect } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { ClosedError, RunError } from "../../../src/model/errors.ts";
import type { Task, TaskContext } from "../../../src/model/run.ts";
import { output, progress, type RunEvent } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import {
  aborted,
  type Core,
  deferred,
  gather,
  logWith,
  outcomeOf,
  payloads,
  rejection,
  slowAppend,
  startWith,
  test,
  typesOf,
} from "../../support/core.ts";

/** A task that works until its signal aborts, and then throws the signal's reason. */
const obedient: Task<never> = ({ signal }) => aborted(signal);

/** Returns the last event in a run's log. */
async function endingOf({ notifier }: Core, id: string): Promise<unknown> {
  return (await payloads(notifier, `run:${id}`)).at(-1);
}

describe("the log of a run", () => {
  test("holds its start, what it yields, and its result, in that order", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(
      async function* () {
        yield progress(1, 2);
        yield output("line");
        return { url: "/42" };
      },
      { name: "report" },
    );
    expect(run.status).toBe("working");
    expect(await run.result()).toEqual({ url: "/42" });
    expect(run.status).toBe("completed");
    expect(await payloads(notifier, `run:${run.id}`)).toEqual([
      { type: "run.started", run: run.id, name: "report" },
      { type: "progress", progress: 0.5, done: 1, total: 2 },
      { type: "output", output: "line" },
      { type: "run.completed", run: run.id, result: { url: "/42" } },
    ]);
  });

  test("holds the events of an async task, in the order of the emits, awaited or not", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(async ({ emit }) => {
      void emit(output(1));
      void emit(output(2));
      await emit(output(3));
      void emit(output(4));
      return "done";
    });
    expect(await run.result()).toBe("done");
    const events = (await payloads(notifier, `run:${run.id}`)) as RunEvent[];
    expect(events.map((event) => event.output ?? event.type)).toEqual([
      "run.started",
      1,
      2,
      3,
      4,
      "run.completed",
    ]);
  });

  test("holds a yield before the next line of the task runs", async ({ start }) => {
    const { notifier } = start();
    const seen: string[][] = [];
    const run = notifier.run(async function* ({ id }) {
      yield output(1);
      seen.push(await typesOf(notifier, id));
      yield output(2);
      seen.push(await typesOf(notifier, id));
    });
    await run.result();
    expect(seen).toEqual([
      ["run.started", "output"],
      ["run.started", "output", "output"],
    ]);
  });

  test("holds the result of a task that returns nothing", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async () => {});
    expect(await run.result()).toBeUndefined();
    expect(await endingOf(core, run.id)).toEqual({ type: "run.completed", run: run.id });
  });

  test("is followed live, from its start to its ending", async ({ start }) => {
    const { notifier, clock } = start();
    const go = deferred();
    const run = notifier.run(async function* () {
      yield output(1);
      await go.promise;
      yield output(2);
    });
    const { got } = gather(notifier, `run:${run.id}`);
    await clock.settle();
    expect(got.map(({ offset }) => offset)).toEqual([1, 2]);
    go.resolve();
    await clock.settle();
    expect(got.map(({ data }) => (data as RunEvent).type)).toEqual([
      "run.started",
      "output",
      "output",
      "run.completed",
    ]);
  });

  test("waits out a log that fails, and loses nothing", async ({ start }) => {
    let failures = 3;
    const core: Core = start({
      log: {
        append: async (...args) => {
          if (failures-- > 0) throw new Error("no space");
          return log.append(...args);
        },
        read: (...args) => log.read(...args),
        watch: (...args) => log.watch(...args),
        [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
      },
    });
    const log = logWith(core.clock, () => ({}));
    const run = core.notifier.run(async function* () {
      yield output(1);
    });
    await core.clock.advance(10_000);
    expect(await typesOf(core.notifier, run.id)).toEqual(["run.started", "output", "run.completed"]);
    expect(core.errors.splice(0).map(({ context }) => context.stage)).toEqual(["log"]);
  });

  test("is written by nothing but the run", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(obedient, { owner: "ann" });
    const reason = await rejection(notifier.publish(`run:${run.id}`, {}));
    expect(reason).toBeInstanceOf(TypeError);
    expect(await rejection(notifier.publish("run:other", {}))).toBeInstanceOf(TypeError);
    const client = pipe(notifier, { peer: { user: "ann", authorize: () => true } });
    client.send({ id: 1, connect: {} }, { id: 2, publish: { channel: `run:${run.id}`, data: {} } });
    await clock.settle();
    expect(client.received.at(-1)).toEqual({ id: 2, error: { code: 103, message: "permission denied" } });
    expect(await typesOf(notifier, run.id)).toEqual(["run.started"]);
  });
});

describe("a task that fails", () => {
  const broken = new RangeError("disk full", { cause: "secret cause" });
  const tasks: [string, Task<unknown>][] = [
    ["throws before its first await", () => Promise.reject(broken)],
    [
      "throws synchronously",
      () => {
        throw broken;
      },
    ],
    [
      "throws between yields",
      // biome-ignore lint/correctness/useYield: the task fails before its first event
      async function* () {
        throw broken;
      },
    ],
  ];
  test.for(tasks)(
    "and %s ends as failed, with its cause kept and its stack not sent",
    async ([, task], { start }) => {
      const core = start();
      const run = core.notifier.run(task);
      const error = await rejection(run.result());
      expect(error).toBeInstanceOf(RunError);
      expect(error).toMatchObject({ name: "RunError", run: run.id, cause: broken });
      expect(run.status).toBe("failed");
      expect(await payloads(core.notifier, `run:${run.id}`)).toEqual([
        { type: "run.started", run: run.id },
        { type: "run.failed", run: run.id, error: { name: "RangeError", message: "disk full" } },
      ]);
    },
  );

  test.for([
    ["nothing", undefined, "undefined"],
    ["a text", "boom", "boom"],
    ["null", null, "null"],
  ])("by throwing %s still has one ending", async ([, thrown, message], { start }) => {
    const core = start();
    const run = core.notifier.run(() => Promise.reject(thrown));
    expect(await rejection(run.result())).toMatchObject({ name: "RunError", cause: thrown });
    expect(await endingOf(core, run.id)).toMatchObject({
      type: "run.failed",
      error: { name: "Error", message },
    });
  });

  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  test.for([
    ["a cycle", cycle, "TypeError"],
    ["a BigInt", { n: 1n }, "TypeError"],
    ["a function", () => 1, "TypeError"],
    ["a symbol", Symbol("x"), "TypeError"],
    ["more than a publication may hold", "x".repeat(262_144), "RangeError"],
  ])("because its result is %s has that reason in its ending", async ([, result, name], { start }) => {
    const core = start();
    const run = core.notifier.run(async () => result);
    const outcome = outcomeOf(run.result());
    await core.clock.settle();
    expect(outcome.state).toBe("rejected");
    expect((outcome.reason as RunError).name).toBe("RunError");
    expect((outcome.reason as RunError).cause).toMatchObject({ name });
    expect(run.status).toBe("failed");
    expect(await endingOf(core, run.id)).toMatchObject({
      type: "run.failed",
      run: run.id,
      error: { name },
    });
  });

  test("with a long message is quoted in whole characters", async ({ start }) => {
    const core = start();
    const thrown = Object.assign(new Error(`${"x".repeat(9_999)}😀`), { name: `${"n".repeat(9_999)}😀` });
    const run = core.notifier.run(() => Promise.reject(thrown));
    await rejection(run.result());
    expect(await endingOf(core, run.id)).toMatchObject({
      error: { name: "n".repeat(9_999), message: "x".repeat(9_999) },
    });
  });

  test("ends even with a very small limit for publications", async ({ start }) => {
    const core = start({ limits: { publication: 128 } });
    const run = core.notifier.run(() => Promise.reject(new Error("x".repeat(500))));
    const outcome = outcomeOf(run.result());
    await core.clock.settle();
    expect(core.errors.splice(0)).toEqual([]);
    expect(outcome.state).toBe("rejected");
    expect(await typesOf(core.notifier, run.id)).toEqual(["run.started", "run.failed"]);
  });

  test("affects no other run: one at the same time completes", async ({ start }) => {
    const { notifier } = start();
    const failing = notifier.run(() => Promise.reject(broken));
    const working = notifier.run(async () => 7);
    await rejection(failing.result());
    expect(await working.result()).toBe(7);
  });
});

describe("an event", () => {
  const bad: [string, unknown][] = [
    ["nothing", undefined],
    ["null", null],
    ["a text", "progress"],
    ["an object without a type", { progress: 1 }],
    ["a type that is not a string", { type: 1 }],
    ["a type of tocsin's own", { type: "run.completed" }],
    ["a BigInt inside", { type: "x", n: 1n }],
  ];
  test.for(bad)(
    "that is %s is refused where it is emitted, and the run goes on",
    async ([, event], { start }) => {
      const { notifier } = start();
      const run = notifier.run(({ emit }) =>
        rejection(emit(event as RunEvent)).then((error) => String(error)),
      );
      expect(await run.result()).toMatch(/^TypeError: Cannot /);
      expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
    },
  );

  test.for(bad)(
    "that is %s is thrown at the yield, and a task that catches it goes on",
    async ([, event], { start }) => {
      const { notifier } = start();
      const run = notifier.run(async function* () {
        try {
          yield event as RunEvent;
        } catch (error) {
          yield output((error as Error).name);
        }
        return "fine";
      });
      expect(await run.result()).toBe("fine");
      expect(await payloads(notifier, `run:${run.id}`)).toMatchObject([
        { type: "run.started" },
        { type: "output", output: "TypeError" },
        { type: "run.completed" },
      ]);
    },
  );

  test("above the limit of a publication is a RangeError, and one at the limit is fine", async ({
    start,
  }) => {
    const { notifier } = start({ limits: { publication: 1_000 } });
    const overhead = JSON.stringify(output("")).length;
    const run = notifier.run(async ({ emit }) => {
      await emit(output("x".repeat(1_000 - overhead)));
      return ((await rejection(emit(output("x".repeat(1_001 - overhead))))) as Error).name;
    });
    expect(await run.result()).toBe("RangeError");
  });

  test("after the ending is refused", async ({ start }) => {
    const { notifier } = start();
    let emit: TaskContext["emit"] | undefined;
    const run = notifier.run(async (context) => {
      emit = context.emit;
    });
    await run.result();
    expect(await rejection(emit?.(output(1)) as Promise<void>)).toBeInstanceOf(ClosedError);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
  });
});

test("a hundred runs at once keep separate records, and each has one ending", async ({ start }) => {
  const { notifier } = start();
  const runs = Array.from({ length: 100 }, (_, n) =>
    notifier.run(async function* () {
      for (let i = 0; i < 3; i++) yield output([n, i]);
      if (n % 3 === 0) throw new Error(`fails ${n}`);
      return n;
    }),
  );
  expect(new Set(runs.map(({ id }) => id)).size).toBe(100);
  const settled = await Promise.allSettled(runs.map((run) => run.result()));
  for (const [n, run] of runs.entries()) {
    const fails = n % 3 === 0;
    expect(settled[n]?.status).toBe(fails ? "rejected" : "fulfilled");
    expect(await payloads(notifier, `run:${run.id}`)).toMatchObject([
      { type: "run.started" },
      { output: [n, 0] },
      { output: [n, 1] },
      { output: [n, 2] },
      fails ? { type: "run.failed", error: { message: `fails ${n}` } } : { type: "run.completed", result: n },
    ]);
  }
  expect(notifier.stats().runs).toBe(0);
});

test("A3: a run's activity counts every event of any kind, and has the time of the last one", async ({
  start,
}) => {
  const { notifier, clock } = start();
  const go = deferred();
  const began = clock.time();
  const run = notifier.run(async function* ({ emit }) {
    yield progress(1, 2);
    yield output("line");
    await emit({ type: "agent_log", message: "said" });
    await go.promise;
    yield { type: "anything" };
  });
  expect(run.activity).toEqual({ events: 0, time: began });
  await clock.settle();
  expect(run.activity).toEqual({ events: 4, time: began });
  await clock.advance(700);
  go.resolve();
  await clock.settle();
  expect(run.activity).toEqual({ events: 6, time: began + 700 });
});

describe("a generator that never reads its signal", () => {
  test("is stopped at its next yield, which throws the reason", async ({ start }) => {
    const core = start();
    const thrown: unknown[] = [];
    const run = core.notifier.run(async function* () {
      for (let n = 0; ; n++) {
        try {
          yield output(n);
        } catch (error) {
          thrown.push(error);
          throw error;
        }
        if (n === 3) void run.cancel("enough");
      }
    });
    const result = outcomeOf(run.result());
    await core.clock.settle();
    expect(result.reason).toMatchObject({ name: "CancelError", by: "caller", reason: "enough" });
    expect(thrown).toEqual([result.reason]);
    expect(run.status).toBe("cancelled");
  });

  test("may yield last events all the same, and is stopped only once", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async function* () {
      try {
        for (let n = 0; ; n++) {
          yield output(n);
          if (n === 1) void run.cancel();
        }
      } catch {
        yield output("one");
        yield output("two");
        return "kept";
      }
    });
    await core.clock.settle();
    expect(await run.result()).toBe("kept");
    expect(await payloads(core.notifier, `run:${run.id}`)).toMatchObject([
      { type: "run.started" },
      output(0),
      output(1),
      output(2),
      output("one"),
      output("two"),
      { type: "run.completed", result: "kept" },
    ]);
  });

  test("is treated differently from one that reads its signal: that one yields on", async ({ start }) => {
    const core = start();
    const run = core.notifier.run(async function* (context) {
      for (let n = 0; n < 10; n++) {
        yield output(n);
        if (n === 0) void context.signal;
        if (n === 1) void run.cancel();
      }
      return "all";
    });
    await core.clock.settle();
    expect([await run.result(), run.activity.events]).toEqual(["all", 12]);
  });
});

describe("a task that only yields", () => {
  test("lets other work run, and is cancelled soon after the request", async () => {
    const notifier = createNotifier({ log: memoryLog({ slack: 0 }) });
    let yielded = 0;
    const run = notifier.run(async function* ({ signal }) {
      while (!signal.aborted && yielded < 1_000_000) yield output(yielded++);
    });
    await new Promise<void>((resolve) => void systemClock.timer(10, resolve));
    expect(run.status).toBe("working");
    const before = yielded;
    await run.cancel();
    // The task's signal aborts at once: events that were yielded do not delay the call.
    expect(yielded - before).toBeLessThanOrEqual(1);
    expect(run.status).toBe("completed");
    expect(run.activity.events).toBe(yielded + 2);
    await notifier.close();
  });

  test("has its events, and then its one ending, in the log in that order", async ({ start }) => {
    const core = start();
    let yielded = 0;
    const run = core.notifier.run(async function* ({ signal }) {
      for (;;) {
        if (signal.aborted) throw signal.reason;
        yield output(yielded++);
        if (yielded === 5_000) void run.cancel("enough");
      }
    });
    const { got } = gather(core.notifier, `run:${run.id}`);
    const result = outcomeOf(run.result());
    await core.clock.settle();
    expect(result.reason).toMatchObject({ reason: "enough" });
    const events = got.map(({ data }) => data as RunEvent);
    expect(events.map(({ type, output }) => output ?? type)).toEqual([
      "run.started",
      ...Array.from({ length: 5_000 }, (_, i) => i),
      "run.cancelled",
    ]);
  });
});

describe("a task that emits more than the queue may hold", () => {
  test("gets an error at each emit; what it yields and its ending are written all the same", async ({
    start,
  }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 10) }), {
      limits: { waiting: 2_000 },
    });
    const refused: unknown[] = [];
    const run = core.notifier.run(async function* ({ emit }) {
      const all = Array.from({ length: 50 }, (_, n) => emit(output(n)).catch((error) => refused.push(error)));
      yield output("yielded");
      await Promise.all(all);
      return "done";
    });
    const result = outcomeOf(run.result());
    await core.clock.advance(5_000);
    expect(result.value).toBe("done");
    expect(new Set(refused.map((error) => (error as Error).name))).toEqual(new Set(["BusyError"]));
    const events = (await payloads(core.notifier, `run:${run.id}`)) as RunEvent[];
    expect(events).toHaveLength(3 + 50 - refused.length);
    expect(refused.length).toBeGreaterThan(20);
    expect(events.slice(-2)).toMatchObject([{ output: "yielded" }, { type: "run.completed" }]);
    expect(core.errors.splice(0).map(({ error }) => (error as Error).name)).toEqual(["BusyError"]);
  });
});

test("a result that nobody waits for causes no unhandled rejection", async ({ start }) => {
  const { notifier, clock } = start();
  notifier.run(() => Promise.reject(new Error("unheard")));
  await clock.settle();
});
