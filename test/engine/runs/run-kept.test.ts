import { describe, expect } from "vitest";
import { CancelError, ClosedError, GapError } from "../../../src/model/errors.ts";
import type { RunOptions, Task } from "../../../src/model/run.ts";
import { output, progress, type RunEvent } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  aborted,
  type Core,
  countCalls,
  deferred,
  finish,
  gather,
  type Message,
  never,
  outcomeOf,
  payloads,
  rejection,
  spySignal,
  test,
  typesOf,
} from "../../support/core.ts";

/** A task that works until its signal aborts, and then throws the signal's reason. */
const obedient: Task<never> = ({ signal }) => aborted(signal);
const minute = 60_000;

/** Returns the reply to a client that subscribes from the start. */
async function subscribeFromStart({ notifier, clock }: Core, id: string): Promise<Message> {
  const client = pipe(notifier, { peer: { user: "ann" } });
  client.send({ id: 1, connect: {} });
  client.send({ id: 2, subscribe: { channel: `run:${id}`, recover: true, offset: 0, epoch: "" } });
  await clock.settle();
  client.drop();
  return client.received.find((message) => (message as Message).id === 2) as Message;
}

describe("the options of a run", () => {
  const task = async () => {};
  const bad: [string, RunOptions][] = [
    ["an id without an owner", { id: "report" }],
    ["an empty id", { id: "", owner: "ann" }],
    ["an id too long for a channel", { id: "x".repeat(252), owner: "ann" }],
    ["an owner without a name", { owner: "" }],
    ["a name that is too long", { name: "x".repeat(256) }],
    ["a name that is not a string", { name: 7 as unknown as string }],
    ["an announcement on a run's channel", { channel: "run:42" }],
    ["an announcement on a channel without a name", { channel: "" }],
    ["an announcement on a channel whose name is too long", { channel: "x".repeat(256) }],
  ];
  test.for(bad)("refuse %s", ([, options], { start }) => {
    const { notifier } = start();
    expect(() => notifier.run(task, options)).toThrow(TypeError);
    expect(notifier.runs.list()).toEqual([]);
  });

  test("take the longest id that fits", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(task, { id: "x".repeat(251), owner: "ann" });
    await run.result();
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
  });

  test("take the longest name, which every client receives", async ({ start }) => {
    const { notifier } = start();
    const name = "x".repeat(255);
    const run = notifier.run(task, { name });
    await run.result();
    expect((await payloads(notifier, `run:${run.id}`))[0]).toMatchObject({ name });
  });

  test("are refused with what is wrong with a name", ({ start }) => {
    const { notifier } = start();
    expect(() => notifier.run(task, { name: `${"x".repeat(79)}😀${"x".repeat(300)}` })).toThrow(
      new TypeError(
        `Cannot run with the name "${"x".repeat(79)}": a name is a text of at most 255 characters`,
      ),
    );
  });

  test("refuse an id in use, while the run works and while it is kept, but not after", async ({ start }) => {
    const { notifier, clock } = start();
    const options = { id: "report", owner: "ann" };
    const go = deferred();
    const run = notifier.run(() => go.promise, options);
    expect(() => notifier.run(task, options)).toThrow(TypeError);
    go.resolve();
    await run.result();
    expect(() => notifier.run(task, options)).toThrow(TypeError);
    await clock.advance(5 * minute - 1);
    expect(() => notifier.run(task, options)).toThrow(TypeError);
    await clock.advance(1);
    expect(await notifier.run(async () => "again", options).result()).toBe("again");
    expect(await typesOf(notifier, "report")).toEqual(["run.started", "run.completed"]);
  });

  test("announce start and ending on another channel, and nothing else", async ({ start }) => {
    const { notifier } = start();
    const run = notifier.run(
      async function* () {
        yield progress(1, 2);
        return 7;
      },
      { channel: "user:ann", name: "export" },
    );
    await run.result();
    expect(await payloads(notifier, "user:ann")).toEqual([
      { type: "run.started", run: run.id, name: "export" },
      { type: "run.completed", run: run.id, result: 7 },
    ]);
  });

  test("announce a cancellation too", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(obedient, { channel: "user:ann" });
    await clock.settle();
    await run.cancel();
    expect(await payloads(notifier, "user:ann")).toEqual([
      { type: "run.started", run: run.id },
      { type: "run.cancelled", run: run.id, by: "caller" },
    ]);
  });
});

describe("a run is kept", () => {
  test("for five minutes after its ending, and is then gone", async ({ start }) => {
    const core = start();
    const { notifier, clock } = core;
    const run = notifier.run(async () => 7);
    await run.result();
    await clock.advance(5 * minute - 1);
    expect(notifier.runs.get(run.id)).toBe(run);
    expect(await typesOf(notifier, run.id)).toEqual(["run.started", "run.completed"]);
    expect((await subscribeFromStart(core, run.id)).subscribe).toMatchObject({ recovered: true });
    await clock.advance(1);
    expect(notifier.runs.get(run.id)).toBeUndefined();
    expect(notifier.runs.list()).toEqual([]);
    expect(await typesOf(notifier, run.id)).toEqual([]);
    expect((await subscribeFromStart(core, run.id)).error?.code).toBe(103);
    expect(await rejection(run.result())).toBeInstanceOf(GapError);
  });

  test("completely while it works, for any time", async ({ start }) => {
    const { notifier, clock } = start();
    const go = deferred();
    const run = notifier.run(async function* () {
      for (let i = 0; i < 1_500; i++) yield output(i);
      await go.promise;
    });
    await clock.advance(60 * minute);
    expect((await notifier.history(`run:${run.id}`)).publications).toHaveLength(1_501);
    go.resolve();
  });

  test("completely after its ending as well, when it took longer than it is kept", async ({ start }) => {
    const core = start();
    const { notifier, clock } = core;
    const go = deferred();
    const run = notifier.run(async function* () {
      yield output("early");
      await go.promise;
    });
    await clock.advance(60 * minute);
    go.resolve();
    await run.result();
    const whole = ["run.started", "output", "run.completed"];
    expect(await typesOf(notifier, run.id)).toEqual(whole);
    await clock.advance(5 * minute - 1);
    expect(await typesOf(notifier, run.id)).toEqual(whole);
    expect((await subscribeFromStart(core, run.id)).subscribe).toMatchObject({ recovered: true, offset: 0 });
  });

  test("within its bytes: beyond them its oldest events go first", async ({ start }) => {
    const clock = fakeClock();
    const { notifier } = start({ clock, log: memoryLog({ clock, slack: 0 }), limits: { runBytes: 500 } });
    const run = notifier.run(async function* () {
      for (let i = 0; i < 10; i++) yield output("x".repeat(100));
    });
    await clock.settle();
    const { publications, epoch } = await notifier.history(`run:${run.id}`);
    const sizes = publications.map(({ data }) => JSON.stringify(data).length);
    const first = publications[0]?.offset as number;
    expect(publications.map(({ offset }) => offset)).toEqual(sizes.map((_, i) => first + i));
    expect(publications.at(-1)?.offset).toBe(12);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThanOrEqual(500);
    const { ended } = gather(notifier, `run:${run.id}`);
    await clock.settle();
    expect(ended.reason).toBeInstanceOf(GapError);
    expect(ended.reason).toMatchObject({ earliest: { offset: first - 1, epoch } });
  });

  test("for limits.runTtl", async ({ start }) => {
    const { notifier, clock } = start({ limits: { runTtl: 1_000 } });
    const run = notifier.run(async () => 1);
    await run.result();
    await clock.advance(999);
    expect(notifier.runs.list()).toEqual([run]);
    await clock.advance(1);
    expect(notifier.runs.list()).toEqual([]);
  });
});

test("runs lists the working and the ended runs, and finds them by id", async ({ start }) => {
  const { notifier, clock } = start();
  const working = notifier.run(obedient, { id: "a", owner: "ann", name: "first" });
  const ended = notifier.run(async () => 1);
  await ended.result();
  expect(notifier.runs.list()).toEqual([working, ended]);
  expect(notifier.runs.get("a")).toBe(working);
  expect(notifier.runs.get("b")).toBeUndefined();
  expect(notifier.runs.get("__proto__")).toBeUndefined();
  expect(notifier.runs.list().map(({ status }) => status)).toEqual(["working", "completed"]);
  expect(working).toMatchObject({ id: "a", owner: "ann", name: "first" });
  expect(notifier.stats()).toMatchObject({ runs: 1, tasks: 0 });
  await clock.settle();
});

test("a run's id is a random UUID, and crypto is not used before the first one", async ({ start }) => {
  const random = countCalls(crypto, "randomUUID");
  const { notifier } = start();
  expect(random.calls).toBe(0);
  const run = notifier.run(async () => {});
  expect(run.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  random.restore();
  await run.result();
});

test("waiting for a result ends with the caller's signal, and the run works on", async ({ start }) => {
  const { notifier, clock } = start();
  const go = deferred<string>();
  const run = notifier.run(() => go.promise);
  const spy = spySignal();
  const { controller, signal } = spy;
  const reason = { enough: true };
  const waiting = rejection(run.result({ signal }));
  controller.abort(reason);
  expect(await waiting).toBe(reason);
  expect(await rejection(run.result({ signal }))).toBe(reason);
  expect(spy.listeners).toBe(0);
  go.resolve("late");
  await clock.settle();
  expect(await run.result()).toBe("late");
  expect(await rejection(run.result({ signal }))).toBe(reason);
});

describe("when the notifier closes", () => {
  test("a run's signal aborts with that reason, and its last events are in the log", async ({ start }) => {
    const controller = new AbortController();
    const { notifier, clock } = start({ signal: controller.signal });
    const go = deferred();
    const run = notifier.run(async function* ({ signal }) {
      try {
        await aborted(signal);
      } finally {
        yield output("last words");
        await go.promise;
        yield output("really the last");
      }
    });
    const { got, ended } = gather(notifier, `run:${run.id}`);
    await clock.settle();
    const cause = new Error("SIGTERM");
    const result = rejection(run.result());
    controller.abort(cause);
    await clock.advance(100);
    go.resolve();
    const report = await notifier.closed;
    expect(report.runs).toEqual({ completed: [], failed: [], cancelled: [run.id], abandoned: [] });
    const reason = await result;
    expect(reason).toBeInstanceOf(CancelError);
    expect(reason).toMatchObject({ by: "shutdown", cause });
    await clock.settle();
    expect(got.map(({ data }) => data)).toEqual([
      { type: "run.started", run: run.id },
      { type: "output", output: "last words" },
      { type: "output", output: "really the last" },
      { type: "run.cancelled", run: run.id, by: "shutdown" },
    ]);
    expect(ended.reason).toBeInstanceOf(ClosedError);
  });

  test("each run is reported by its ending", async ({ start }) => {
    const core = start();
    const { notifier, clock } = core;
    const stop = (signal: AbortSignal) => aborted(signal).catch(() => {});
    const cancelled = notifier.run(obedient);
    const completed = notifier.run(({ signal }) => stop(signal).then(() => 1));
    const threw = notifier.run(({ signal }) => stop(signal).then(() => Promise.reject(new Error("x"))));
    const unspeakable = notifier.run(({ signal }) => stop(signal).then(() => 1n));
    const abandoned = notifier.run(() => never());
    const before = notifier.run(async () => "before");
    await before.result();
    await clock.settle();
    for (const run of [cancelled, threw, unspeakable, abandoned]) void run.result().catch(() => {});
    const report = await finish(core);
    expect(report.runs).toEqual({
      completed: [completed.id],
      failed: [unspeakable.id],
      cancelled: [cancelled.id, threw.id],
      abandoned: [abandoned.id],
    });
  });

  test("a task that ignores its signal is abandoned at half of the grace, and cannot write any more", async ({
    start,
  }) => {
    const core = start({ grace: 5_000 });
    const { notifier, clock } = core;
    const go = deferred();
    let refused: unknown;
    const run = notifier.run(async ({ emit }) => {
      await go.promise;
      refused = await rejection(emit(output("too late")));
      return "nobody hears";
    });
    const { got } = gather(notifier, `run:${run.id}`);
    await clock.settle();
    const result = outcomeOf(run.result());
    const closed = outcomeOf(notifier.close());
    await clock.advance(2_499);
    expect([closed.state, run.status]).toEqual(["pending", "working"]);
    await clock.advance(1);
    expect(run.status).toBe("cancelled");
    expect(result.reason).toMatchObject({ name: "CancelError", by: "shutdown" });
    expect(closed.value).toMatchObject({ milliseconds: 2_500, runs: { abandoned: [run.id], cancelled: [] } });
    expect(got.map(({ data }) => (data as RunEvent).type)).toEqual(["run.started", "run.cancelled"]);
    go.resolve();
    await clock.settle();
    expect(refused).toBeInstanceOf(ClosedError);
  });

  test("a run may still emit, although publish is refused", async ({ start }) => {
    const core = start();
    let refused: unknown;
    const run = core.notifier.run(async ({ signal, emit }) => {
      await aborted(signal).catch(() => {});
      refused = await rejection(core.notifier.publish("news", 1));
      await emit(output("accepted"));
      return "done";
    });
    const { got } = gather(core.notifier, `run:${run.id}`);
    await core.clock.settle();
    expect((await finish(core)).runs.completed).toEqual([run.id]);
    expect(refused).toBeInstanceOf(ClosedError);
    expect(got.map(({ data }) => (data as RunEvent).type)).toEqual([
      "run.started",
      "output",
      "run.completed",
    ]);
  });

  test("no other run can start", async ({ start }) => {
    const { notifier } = start();
    const closed = notifier.close();
    expect(() => notifier.run(async () => 1)).toThrow(ClosedError);
    await closed;
    expect(() => notifier.run(async () => 1)).toThrow(ClosedError);
  });
});
