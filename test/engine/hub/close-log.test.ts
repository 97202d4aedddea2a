import { describe, expect } from "vitest";
import { ClosedError } from "../../../src/model/errors.ts";
import type { Log } from "../../../src/model/log.ts";
import { output } from "../../../src/run.ts";
import { assertQuiet, type FakeClock } from "../../../src/testing.ts";
import {
  aborted,
  type Core,
  finish,
  gather,
  never,
  offsetsIn,
  outcomeOf,
  slowAppend,
  startWith,
  subscriber,
  test,
} from "../../support/core.ts";

type Replace = (log: Log, clock: FakeClock) => Partial<Log>;

const broken = new Error("the disk is gone");
/** Tells whether all errors are the log's. How often such an error is reported depends on timing. */
const onlyBroken = ({ errors }: Core): boolean => errors.splice(0).every(({ error }) => error === broken);

const methods: [string, Replace, Replace, Replace][] = [
  [
    "append",
    () => ({ append: () => never() }),
    () => ({ append: () => Promise.reject(broken) }),
    () => ({
      append: () => {
        throw broken;
      },
    }),
  ],
  [
    "read",
    () => ({ read: () => never() }),
    () => ({ read: () => Promise.reject(broken) }),
    () => ({
      read: () => {
        throw broken;
      },
    }),
  ],
  [
    "watch",
    () => ({ watch: () => never() }),
    () => ({ watch: () => Promise.reject(broken) }),
    () => ({
      watch: () => {
        throw broken;
      },
    }),
  ],
];

/** Uses every part of the notifier, closes it, and checks that all of them settle within the grace. */
async function useAndClose(core: Core): Promise<number> {
  const { notifier, clock } = core;
  await subscriber(core, "news");
  const published = outcomeOf(notifier.publish("news", 1));
  const run = notifier.run(async ({ signal, emit }) => {
    await emit(output(1));
    await aborted(signal);
  });
  const result = outcomeOf(run.result());
  const followed = gather(notifier, "news");
  const read = outcomeOf(notifier.history("news"));
  await clock.advance(10_000);
  const closed = outcomeOf(notifier.close());
  await clock.settle();
  if (closed.state === "pending") await clock.advance(5_000);
  expect(closed.state).toBe("fulfilled");
  await clock.settle();
  for (const each of [published, result, followed.ended, read]) expect(each.state).not.toBe("pending");
  return closed.value?.milliseconds as number;
}

describe.for(methods)("with a log whose %s", ([method, hangs, rejects, throws]) => {
  test("never settles, close settles within the grace, and so does everything that waited", async ({
    start,
  }) => {
    const core = startWith(start, hangs);
    expect(await useAndClose(core)).toBeLessThanOrEqual(5_000);
    // The subscription that waited for the log was refused with an error before the close.
    const stages = core.errors.splice(0).map(({ context }) => context.stage);
    expect(stages).toEqual(method === "append" ? [] : ["log"]);
  });

  test("rejects, close settles within the grace, and so does everything that waited", async ({ start }) => {
    const core = startWith(start, rejects);
    expect(await useAndClose(core)).toBeLessThanOrEqual(5_000);
    expect(onlyBroken(core)).toBe(true);
  });

  test("throws, close settles within the grace, and so does everything that waited", async ({ start }) => {
    const core = startWith(start, throws);
    expect(await useAndClose(core)).toBeLessThanOrEqual(5_000);
    expect(onlyBroken(core)).toBe(true);
  });
});

describe("a log whose disposal", () => {
  async function closed(core: Core): Promise<void> {
    const client = await subscriber(core, "news");
    const report = await finish(core);
    expect(report.sessions).toEqual({ closed: 1, cut: 0 });
    expect(client.closed?.code).toBe(3001);
  }

  test("never settles is waited for until the end of the grace", async ({ start }) => {
    const core = startWith(start, () => ({ [Symbol.asyncDispose]: () => never() }));
    await closed(core);
    expect(await core.notifier.closed).toMatchObject({ milliseconds: 5_000 });
  });

  test("rejects is reported, and the report of close is complete", async ({ start }) => {
    const core = startWith(start, () => ({ [Symbol.asyncDispose]: () => Promise.reject(broken) }));
    await closed(core);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([broken]);
  });

  test("throws is reported, and the report of close is complete", async ({ start }) => {
    const core = startWith(start, () => ({
      [Symbol.asyncDispose]: () => {
        throw broken;
      },
    }));
    await closed(core);
    expect(core.errors.splice(0).map(({ error }) => error)).toEqual([broken]);
  });
});

test("all counts are zero at the moment when close settles", async ({ start }) => {
  const core = startWith(start, () => ({ append: () => never(), watch: () => never() }));
  const { notifier, clock } = core;
  const publishing = [1, 2, 3].map((n) => outcomeOf(notifier.publish("news", n)));
  const client = await subscriber(core, "news");
  notifier.run(() => never(), { id: "1", owner: "ann", channel: "runs" });
  const quiet = outcomeOf(notifier.close().then(() => assertQuiet(notifier)));
  await clock.advance(5_000);
  expect(quiet).toEqual({ state: "fulfilled" });
  // The report of `close` holds the ending of the run itself.
  expect(core.errors.splice(0).map(({ error, context }) => [context, (error as Error).message])).toEqual([
    [
      { stage: "log", owner: "publish runs" },
      'Cannot announce on "runs" that run:1 is cancelled: Cannot publish: the notifier is closed',
    ],
  ]);
  expect(publishing.map(({ reason }) => reason instanceof ClosedError)).toEqual([true, true, true]);
  expect(client.closed?.code).toBe(3001);
});

describe("a publication in progress when the notifier closes", () => {
  test("reaches every subscriber before 3001, or rejects", async ({ start }) => {
    const core = startWith(start, (log, clock) => ({ append: slowAppend(clock, log, 100) }));
    const client = await subscriber(core, "news");
    const stuck = await subscriber(core, "news");
    stuck.stall();
    const published = outcomeOf(core.notifier.publish("news", 1));
    void core.notifier.close();
    await core.clock.advance(5_000);
    await core.notifier.closed;
    expect(published.state).not.toBe("pending");
    expect(offsetsIn(client.received, "news")).toEqual(published.state === "fulfilled" ? [1] : []);
    expect(client.closed?.code).toBe(3001);
  });

  test("behind a log that recovers within the grace is not lost", async ({ start }) => {
    let failing = true;
    const core = startWith(start, (log) => ({
      append: (...args) => (failing ? Promise.reject(broken) : log.append(...args)),
    }));
    const client = await subscriber(core, "news");
    const published = [1, 2, 3].map((n) => outcomeOf(core.notifier.publish("news", n)));
    await core.clock.settle();
    void core.notifier.close();
    failing = false;
    await core.clock.advance(5_000);
    expect(onlyBroken(core)).toBe(true);
    const made = published.filter(({ state }) => state === "fulfilled").length;
    expect(published.map(({ state }) => state)).not.toContain("pending");
    expect(offsetsIn(client.received, "news")).toEqual(Array.from({ length: made }, (_, i) => i + 1));
  });
});

describe("a log whose wakes come only after close has settled", () => {
  const lateWakes: Replace = (log) => ({
    watch: (channel, _) => log.watch(channel, () => {}),
  });

  test("still has every publication made before delivered before 3001", async ({ start }) => {
    const core = startWith(start, lateWakes);
    const client = await subscriber(core, "news");
    for (let i = 0; i < 5; i++) await core.notifier.publish("news", i);
    const report = await finish(core);
    expect(offsetsIn(client.received, "news")).toEqual([1, 2, 3, 4, 5]);
    expect(report).toMatchObject({ sessions: { closed: 1, cut: 0 }, cut: [] });
  });

  test("still has a run's ending delivered before 3001", async ({ start }) => {
    const core = startWith(start, lateWakes);
    const run = core.notifier.run(({ signal }) => aborted(signal));
    await core.clock.settle();
    const client = await subscriber(core, `run:${run.id}`);
    await finish(core);
    expect(client.received).toMatchObject([{ push: { pub: { data: { type: "run.cancelled" } } } }]);
  });
});

test("a slow log delays close only by its own time, and nothing is lost", async ({ start }) => {
  const core = startWith(start, (log, clock) => ({
    append: slowAppend(clock, log, 20),
    async read(...args) {
      await new Promise<void>((resolve) => void clock.timer(20, resolve));
      return log.read(...args);
    },
  }));
  const run = core.notifier.run(({ signal }) => aborted(signal));
  await core.clock.advance(100);
  const connecting = subscriber(core, `run:${run.id}`);
  await core.clock.advance(100);
  const client = await connecting;
  const closed = outcomeOf(core.notifier.close());
  await core.clock.advance(1_000);
  expect(closed.value).toMatchObject({ sessions: { closed: 1, cut: 0 }, runs: { cancelled: [run.id] } });
  expect(offsetsIn(client.received, `run:${run.id}`)).toEqual([2]);
});
