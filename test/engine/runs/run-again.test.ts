import { describe, expect } from "vitest";
import { GapError } from "../../../src/model/errors.ts";
import type { Run } from "../../../src/model/run.ts";
import { output } from "../../../src/run.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import {
  type Core,
  deferred,
  gather,
  type Message,
  offsetsIn,
  outcomeOf,
  payloads,
  rejection,
  type Start,
  slowAppend,
  startWith,
  test,
  typesOf,
} from "../../support/core.ts";

const minute = 60_000;
const options = { id: "report", owner: "ann" };
const fromStart = { offset: 0, epoch: "" };
const long = "x".repeat(2_000);

/** Returns a run that has ended, whose id may be used again. */
async function endedRun({ notifier, clock }: Core): Promise<Run<unknown>> {
  const run = notifier.run(async function* () {
    for (let i = 0; i < 3; i++) yield output(`old ${i}`);
    return long;
  }, options);
  await run.result();
  await clock.advance(5 * minute);
  return run;
}

function again({ notifier }: Core): { run: Run<string>; go: ReturnType<typeof deferred<void>> } {
  const go = deferred();
  const run = notifier.run(async function* () {
    yield output("new");
    await go.promise;
    return "new result";
  }, options);
  return { run, go };
}

const whole = [
  { type: "run.started", run: "report" },
  { type: "output", output: "new" },
  { type: "run.completed", run: "report", result: "new result" },
];

describe("a run whose id was used before", () => {
  test("has a channel without any event of the old run, from the start or any position", async ({
    start,
  }) => {
    const core = start();
    await endedRun(core);
    const { epoch } = await core.notifier.history("run:report");
    const { run, go } = again(core);
    const { got } = gather(core.notifier, "run:report");
    go.resolve();
    expect(await run.result()).toBe("new result");
    await core.clock.settle();
    expect(got.map(({ data }) => data)).toEqual(whole);
    expect(got.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    expect(got[0]?.epoch).not.toBe(epoch);
    expect(await payloads(core.notifier, "run:report")).toEqual(whole);
    expect(await run.result()).toBe("new result");
  });

  test("is a reported gap for a client with a position of the old run, which can continue from there", async ({
    start,
  }) => {
    const core = start();
    const old = core.notifier.run(async () => 1, options);
    await old.result();
    const { epoch, offset } = await core.notifier.history("run:report");
    await core.clock.advance(5 * minute);
    const { go } = again(core);
    go.resolve();
    await core.clock.settle();
    for (const after of [
      { offset: 1, epoch },
      { offset, epoch },
    ]) {
      const reason = (await rejection(core.notifier.history("run:report", { after }))) as GapError;
      expect(reason).toBeInstanceOf(GapError);
      const { earliest } = reason;
      const { publications } = await core.notifier.history("run:report", { after: earliest });
      expect(publications.map(({ data }) => data)).toEqual(whole);
      const client = pipe(core.notifier, { peer: { user: "ann" } });
      client.send(
        { id: 1, connect: {} },
        { id: 2, subscribe: { channel: "run:report", recover: true, ...after } },
      );
      await core.clock.settle();
      const reply = (client.received as Message[]).find(({ id }) => id === 2)?.subscribe;
      expect(reply).toMatchObject({ was_recovering: true, offset: 3, epoch: earliest.epoch });
      expect(reply?.recovered ?? false).toBe(false);
      expect(reply?.data).toMatchObject({ run: "report", status: "completed" });
    }
  });

  test("unsubscribes the followers of the old run, which come back to the new one", async ({ start }) => {
    const core = start();
    const go = deferred();
    const old = core.notifier.run(() => go.promise, options);
    const client = pipe(core.notifier, { peer: { user: "ann" } });
    client.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel: "run:report" } });
    const server = pipe(core.notifier, { peer: { user: "ann", channels: ["run:report"] } });
    server.send({ id: 1, connect: {} });
    const { got, ended } = gather(core.notifier, "run:report");
    go.resolve();
    await old.result();
    await core.clock.advance(5 * minute);
    client.take();
    again(core).go.resolve();
    await core.clock.settle();
    expect((client.received.at(-1) as Message).push?.unsubscribe?.code).toBe(2500);
    expect(offsetsIn(client.received, "run:report")).toEqual([]);
    expect(server.closed?.code).toBe(3010);
    expect(got.map(({ data }) => (data as { type: string }).type)).toEqual(["run.started", "run.completed"]);
    expect(ended.reason).toBeInstanceOf(GapError);
    client.send({ id: 3, subscribe: { channel: "run:report", recover: true, ...fromStart } });
    await core.clock.settle();
    const back = (client.received as Message[]).find(({ id }) => id === 3)?.subscribe;
    expect(back).toMatchObject({ recovered: true });
    expect(back?.publications?.map(({ data }) => data)).toEqual(whole);
  });

  test("makes the old run's result a gap for a caller that still holds that run", async ({ start }) => {
    const core = start();
    const old = await endedRun(core);
    again(core).go.resolve();
    await core.clock.settle();
    expect(await rejection(old.result())).toBeInstanceOf(GapError);
  });

  /** Starts a notifier. After `slow()`, appends take a while: a run exists before its start is in the log. */
  function startSlow(start: Start): { core: Core; slow(): void } {
    let isSlow = false;
    const core = startWith(start, (log, clock) => {
      const slow = slowAppend(clock, log, 100);
      return { append: (...args) => (isSlow ? slow(...args) : log.append(...args)) };
    });
    const slow = (): void => {
      isSlow = true;
    };
    return { core, slow };
  }

  test("shows nothing of the old run to a client that comes before its start is in the log", async ({
    start,
  }) => {
    const { core, slow } = startSlow(start);
    const { notifier, clock } = core;
    // The old run's events stay in the log longer than the run itself is remembered.
    const old = notifier.run(async function* () {
      for (let i = 0; i < 3; i++) yield output(`old ${i}`);
    }, options);
    await old.result();
    const { epoch } = await notifier.history("run:report");
    await clock.advance(5 * minute);
    slow();
    const { run, go } = again(core);
    go.resolve();
    const { got } = gather(notifier, "run:report");
    const read = outcomeOf(notifier.history("run:report"));
    const client = pipe(notifier, { peer: { user: "ann" } });
    client.send(
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: "run:report", recover: true, ...fromStart } },
    );
    await clock.settle();
    expect([got, read.state]).toEqual([[], "pending"]);
    await clock.advance(1_000);
    expect(await run.result()).toBe("new result");
    expect(got.map(({ data }) => data)).toEqual(whole);
    expect(read.value?.epoch).not.toBe(epoch);
    expect(read.value?.publications.map(({ data }) => data)).toEqual(whole.slice(0, 1));
    expect(offsetsIn(client.received, "run:report")).toEqual([1, 2, 3]);
  });

  test("is refused while the old run's ending waits for the log, and while it is kept after that", async ({
    start,
  }) => {
    const state = { fails: false };
    const core = startWith(
      start,
      (log) => ({
        append: (...args) => (state.fails ? Promise.reject(new Error("no space")) : log.append(...args)),
      }),
      { limits: { runTtl: 20_000 } },
    );
    const go = deferred();
    const old = core.notifier.run(() => go.promise, options);
    const settled = outcomeOf(old.result());
    await core.clock.settle();
    state.fails = true;
    go.resolve();
    await core.clock.advance(21_000);
    expect(settled.state).toBe("pending");
    const refusal = new TypeError('Cannot run "report": a run with that id exists');
    expect(() => again(core)).toThrow(refusal);
    state.fails = false;
    await core.clock.advance(10_000);
    expect(settled.state).toBe("fulfilled");
    expect(() => again(core)).toThrow(refusal);
    expect(await typesOf(core.notifier, "report")).toEqual(["run.started", "run.completed"]);
    await core.clock.advance(20_000);
    const { run, go: end } = again(core);
    end.resolve();
    await run.result();
    core.errors.length = 0;
  });

  test("may fail before its start is in the log, and its result can be read all the same", async ({
    start,
  }) => {
    const { core, slow } = startSlow(start);
    await endedRun(core);
    slow();
    const run = core.notifier.run(() => Promise.reject(new Error("no")), options);
    const read = outcomeOf(core.notifier.history("run:report"));
    const result = rejection(run.result());
    await core.clock.advance(1_000);
    expect(await result).toMatchObject({ name: "RunError" });
    expect(read.state).toBe("fulfilled");
    expect(await typesOf(core.notifier, "report")).toEqual(["run.started", "run.failed"]);
  });

  test("is followed completely by a client that came before any run of this id", async ({ start }) => {
    const core = start();
    const server = pipe(core.notifier, { peer: { user: "ann", channels: ["run:report"] } });
    server.send({ id: 1, connect: {} });
    const next = core.notifier.follow("run:report").next();
    await core.clock.settle();
    again(core).go.resolve();
    await core.clock.settle();
    expect(offsetsIn(server.received, "run:report")).toEqual([1, 2, 3]);
    expect(await next).toMatchObject({ value: { offset: 1, data: { type: "run.started" } } });
  });
});
