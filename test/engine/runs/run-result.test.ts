import { describe, expect } from "vitest";
import { CancelError, ClosedError, GapError, LogError, RunError } from "../../../src/model/errors.ts";
import { progress } from "../../../src/run.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { fakeClock } from "../../../src/testing.ts";
import {
  aborted,
  type Core,
  deferred,
  finish,
  type Message,
  never,
  outcomeOf,
  rejection,
  type Start,
  startWith,
  test,
} from "../../support/core.ts";

const minute = 60_000;
/** A result so long that the run's ending is not kept in memory. */
const long = "x".repeat(2_000);

/** Starts a notifier whose log fails while `log.fails` is set. */
function startFailing(start: Start): { core: Core; log: { fails: boolean }; broken: Error } {
  const state = { fails: false };
  const broken = new Error("the disk is gone");
  const core = startWith(start, (log) => ({
    append: (...args) => (state.fails ? Promise.reject(broken) : log.append(...args)),
    read: (...args) => (state.fails ? Promise.reject(broken) : log.read(...args)),
  }));
  return { core, log: state, broken };
}

describe("the result of a run", () => {
  test("is the task's own value for a waiting caller, and the value that JSON kept for a later one", async ({
    start,
  }) => {
    const { notifier } = start();
    const made = { at: new Date(0), nothing: undefined, text: "x" };
    const run = notifier.run(async () => made);
    const [one, other] = [run.result(), run.result()];
    expect([await one, await other]).toEqual([made, made]);
    expect(await one).toBe(made);
    expect(await run.result()).toEqual({ at: "1970-01-01T00:00:00.000Z", text: "x" });
  });

  test.for(["short", long])("is read back as often as anybody asks: %#", async (text, { start }) => {
    const { notifier } = start();
    const made = { text };
    const run = notifier.run(async () => made);
    expect(await run.result()).toBe(made);
    for (let i = 0; i < 3; i++) {
      const again = await run.result();
      expect(again).toEqual(made);
      expect(again).not.toBe(made);
    }
  });

  test.for(["short", long])(
    "of a failed run has the thrown value as its cause for a waiting caller, and name and message for a later one: %#",
    async (text, { start }) => {
      const { notifier } = start();
      const thrown = Object.assign(new RangeError(text, { cause: "secret" }), { secret: 1 });
      const run = notifier.run(() => Promise.reject(thrown));
      const first = (await rejection(run.result())) as RunError;
      expect(first).toBeInstanceOf(RunError);
      expect(first.cause).toBe(thrown);
      const later = (await rejection(run.result())) as RunError;
      expect(later).toBeInstanceOf(RunError);
      expect(later).toMatchObject({ run: run.id, message: first.message });
      const { name, message, cause, secret } = later.cause as Error & { secret?: unknown };
      expect({ name, message, cause, secret }).toEqual({
        name: "RangeError",
        message: text,
        cause: undefined,
        secret: undefined,
      });
    },
  );

  test("of a run whose result cannot be written is an error with the reason, then and later", async ({
    start,
  }) => {
    const { notifier } = start();
    const run = notifier.run(async () => 1n);
    const first = (await rejection(run.result())) as RunError;
    const later = (await rejection(run.result())) as RunError;
    expect([first.cause, later.cause]).toMatchObject([{ name: "TypeError" }, { name: "TypeError" }]);
    expect(later.message).toBe(first.message);
  });

  test("of a cancelled run is an error with who and why, then and later", async ({ start }) => {
    const { notifier, clock } = start();
    const run = notifier.run(({ signal }) => aborted(signal));
    await clock.settle();
    const waiting = rejection(run.result());
    await run.cancel(long);
    const [first, later] = [await waiting, await rejection(run.result())];
    expect(later).not.toBe(first);
    for (const reason of [first, later]) {
      expect(reason).toBeInstanceOf(CancelError);
      expect(reason).toMatchObject({ by: "caller", reason: long });
    }
  });

  test("of a run that its caller's signal cancelled is that signal's reason, then and later", async ({
    start,
  }) => {
    const { notifier, clock } = start();
    const controller = new AbortController();
    const reason = { why: "the user left" };
    const run = notifier.run(({ signal }) => aborted(signal), { signal: controller.signal });
    await clock.settle();
    controller.abort(reason);
    for (let i = 0; i < 3; i++) expect(await rejection(run.result())).toBe(reason);
  });

  test("is not the reason of a caller's signal that aborts after the end", async ({ start }) => {
    const { notifier, clock } = start();
    const controller = new AbortController();
    const run = notifier.run(({ signal }) => aborted(signal), { signal: controller.signal });
    await clock.settle();
    await run.cancel("enough");
    controller.abort("later");
    expect(await rejection(run.result())).toMatchObject({ by: "caller", reason: "enough" });
  });

  test("that is no longer in the log is a GapError", async ({ start }) => {
    const { notifier, clock } = start();
    const runs = ["short", long].map((text) => notifier.run(async () => text));
    await clock.settle();
    await clock.advance(5 * minute);
    for (const run of runs) {
      const reason = await rejection(run.result());
      expect(reason).toBeInstanceOf(GapError);
      expect(reason).toMatchObject({ channel: `run:${run.id}`, after: { offset: 1 } });
    }
  });

  test("is the log's own error while that fails, and can be read again afterwards", async ({ start }) => {
    const { core, log, broken } = startFailing(start);
    const run = core.notifier.run(async () => long);
    await run.result();
    log.fails = true;
    expect(await rejection(run.result())).toBe(broken);
    log.fails = false;
    expect(await run.result()).toBe(long);
  });

  test("is refused once the notifier has closed; a signal's reason comes first", async ({ start }) => {
    const core = start();
    const runs = ["short", long].map((text) => core.notifier.run(async () => text));
    await core.clock.settle();
    await finish(core);
    const signal = AbortSignal.abort("enough");
    for (const run of runs) {
      expect(await rejection(run.result())).toBeInstanceOf(ClosedError);
      expect(await rejection(run.result({ signal }))).toBe("enough");
    }
  });
});

describe("the memory of ended runs", () => {
  test("is a small row each, and the log's own bound, for results of any size", async ({ start }) => {
    const clock = fakeClock();
    const totalBytes = 2_097_152;
    const core = start({ clock, log: memoryLog({ clock, totalBytes }) });
    const report = "x".repeat(100_000);
    const runs = [];
    for (let i = 0; i < 300; i++) {
      runs.push(core.notifier.run(async () => report));
      if (i % 10 === 9) await clock.settle();
    }
    expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(["completed"]));
    const { bytes } = core.notifier.totals();
    expect(bytes.log).toBeLessThanOrEqual(totalBytes);
    expect(bytes.runs).toBe(300 * (768 + 2 * 36));
    await clock.advance(5 * minute);
    expect(core.notifier.totals().bytes.runs).toBe(0);
    expect(core.notifier.runs.list()).toEqual([]);
  });

  test("is bounded in bytes: the runs that ended first are forgotten before their time", async ({
    start,
  }) => {
    const core = start({ limits: { endedBytes: 10_000 } });
    const { notifier, clock } = core;
    const go = deferred();
    const working = notifier.run(() => go.promise);
    const runs = Array.from({ length: 20 }, (_, n) => notifier.run(async () => n, { name: "n".repeat(255) }));
    await clock.settle();
    const { bytes, limits } = notifier.totals();
    expect(bytes.runs).toBeLessThanOrEqual(10_000);
    const kept = notifier.runs.list();
    expect(kept).toEqual([working, ...runs.slice(-(kept.length - 1))]);
    expect(limits).toEqual({ endedBytes: 21 - kept.length });
    expect(kept.length).toBeGreaterThan(4);
    const client = pipe(notifier, { peer: { user: "ann" } });
    const [first, last] = [runs[0]?.id, runs[19]?.id];
    client.send({ id: 1, connect: {} });
    client.send({ id: 2, subscribe: { channel: `run:${first}` } });
    client.send({ id: 3, subscribe: { channel: `run:${last}` } });
    await clock.settle();
    const [, unknown, known] = client.received as Message[];
    expect(unknown?.error?.code).toBe(103);
    expect(known?.subscribe?.data).toMatchObject({ run: last, status: "completed" });
    go.resolve();
  });

  test("is zero after closing", async ({ start }) => {
    const core = start();
    await core.notifier.run(async () => 1).result();
    expect(core.notifier.totals().bytes.runs).toBeGreaterThan(768);
    await finish(core);
    expect(core.notifier.totals().bytes.runs).toBe(0);
  });

  test("holds the last progress, and only the numbers of a long one", async ({ start }) => {
    const core = start();
    const go = deferred();
    const run = core.notifier.run(async function* () {
      yield progress(1, 4, { note: "short" });
      await go.promise;
      yield { ...progress(2, 4, { note: long }), total: "x" };
    });
    const statusOf = async (): Promise<unknown> => {
      const client = pipe(core.notifier);
      client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: `run:${run.id}` } });
      await core.clock.settle();
      client.drop();
      return (client.received[1] as Message).subscribe?.data;
    };
    await core.clock.settle();
    const short = { type: "progress", progress: 0.25, done: 1, total: 4, note: "short" };
    expect(await statusOf()).toEqual({ run: run.id, status: "working", progress: short });
    go.resolve();
    await core.clock.settle();
    const numbers = { type: "progress", progress: 0.5, done: 2 };
    expect(await statusOf()).toEqual({ run: run.id, status: "completed", progress: numbers });
  });
});

describe("an ending that cannot be written because the log fails", () => {
  test("while closing is reported, once, and its run is among the abandoned", async ({ start }) => {
    const reported: unknown[] = [];
    const state = { fails: false };
    const broken = new Error("the disk is gone");
    const core = startWith(
      start,
      (log) => ({ append: (...args) => (state.fails ? Promise.reject(broken) : log.append(...args)) }),
      {
        onUndelivered: ({ channel, offset, epoch, data }, reason) =>
          reported.push([channel, offset, epoch, data, reason]),
      },
    );
    const { notifier, clock } = core;
    const run = notifier.run(({ signal }) => aborted(signal).catch(() => "done"));
    const stubborn = notifier.run(() => never());
    const settled = outcomeOf(run.result());
    const ignored = outcomeOf(stubborn.result());
    await clock.settle();
    state.fails = true;
    const report = await finish(core);
    expect(report.runs).toEqual({
      completed: [],
      failed: [],
      cancelled: [],
      abandoned: [run.id, stubborn.id],
    });
    const time = expect.any(Number);
    const position = { offset: 0, epoch: "" };
    const channels = [`run:${run.id}`, `run:${stubborn.id}`];
    expect(report.undelivered).toEqual(
      channels.map((channel) => ({ channel, position, time, level: "none", reason: "unlogged" })),
    );
    expect(report.givenUp).toBe(2);
    expect(reported).toEqual([
      [channels[0], 0, "", { type: "run.completed", run: run.id, result: "done" }, "unlogged"],
      [channels[1], 0, "", { type: "run.cancelled", run: stubborn.id, by: "shutdown" }, "unlogged"],
    ]);
    // A caller that waited gets the result all the same. Later the result is unknown.
    expect([settled.value, ignored.reason]).toMatchObject(["done", { by: "shutdown" }]);
    expect(await rejection(run.result())).toBeInstanceOf(LogError);
    expect(core.errors.splice(0).filter(({ error }) => error === broken)).toHaveLength(1);
  });

  test("is reported also where the run had ended before closing began", async ({ start }) => {
    const { core, log, broken } = startFailing(start);
    const go = deferred();
    const run = core.notifier.run(() => go.promise);
    await core.clock.settle();
    log.fails = true;
    go.resolve();
    await core.clock.settle();
    expect(run.status).toBe("completed");
    const report = await finish(core);
    expect(report.runs).toEqual({ completed: [], failed: [], cancelled: [], abandoned: [] });
    expect(report.undelivered).toMatchObject([{ channel: `run:${run.id}`, reason: "unlogged" }]);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([broken]);
  });

  test("until just before the deadline is written late, and the run has completed", async ({ start }) => {
    const { core, log, broken } = startFailing(start);
    const run = core.notifier.run(({ signal }) => aborted(signal).catch(() => "done"));
    await core.clock.settle();
    log.fails = true;
    const closed = outcomeOf(core.notifier.close());
    await core.clock.advance(1_000);
    log.fails = false;
    await core.clock.advance(4_000);
    expect(closed.value?.runs.completed).toEqual([run.id]);
    expect(closed.value?.undelivered).toMatchObject([{ channel: `run:${run.id}`, reason: "closed" }]);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([broken]);
  });

  test("for good ends the run, and is reported at once", async ({ start }) => {
    const lasting = new LogError("Cannot write: the disk is read-only", { lasting: true });
    const reported: unknown[] = [];
    const core = startWith(
      start,
      (log) => ({
        append: (channel, data, options) =>
          data.includes("completed") ? Promise.reject(lasting) : log.append(channel, data, options),
      }),
      { onUndelivered: ({ channel }, reason) => reported.push([channel, reason]) },
    );
    const run = core.notifier.run(async () => 7);
    const settled = outcomeOf(run.result());
    await core.clock.settle();
    expect(settled.value).toBe(7);
    expect(reported).toEqual([[`run:${run.id}`, "unlogged"]]);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([lasting]);
    expect(await finish(core)).toMatchObject({ undelivered: [], givenUp: 1 });
  });
});

test("confirmed publications that wait for a failing log when closing ends are reported, those without room are refused", async ({
  start,
}) => {
  const { core, log } = startFailing(start);
  log.fails = true;
  const confirm = true;
  const [one, two] = [1, 2].map((n) => outcomeOf(core.notifier.publish("news", n, { confirm })));
  const plain = outcomeOf(core.notifier.publish("sport", 1));
  await core.clock.settle();
  const report = await finish(core);
  for (const each of [one, two, plain]) expect(each?.reason).toBeInstanceOf(ClosedError);
  expect(report.undelivered.map(({ channel, reason }) => [channel, reason])).toEqual([
    ["news", "unlogged"],
    ["news", "unlogged"],
  ]);
  core.errors.length = 0;
});
