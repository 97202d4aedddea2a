import { describe, expect, onTestFinished, test } from "vitest";
import type { Clock } from "../../../src/base/clock.ts";
import type { NotifierOptions } from "../../../src/engine/core/settings.ts";
import { createNotifier } from "../../../src/engine/notifier/create-notifier.ts";
import { pipe } from "../../../src/testing/pipe.ts";
import { assertQuiet } from "../../../src/testing.ts";
import { never, outcomeOf, rawSocket } from "../../support/core.ts";

/** A clock whose process can be blocked. Time goes on meanwhile, and `go` calls what has become due. */
interface Blockable extends Clock {
  /** Milliseconds by which its timers fire early. Real ones do so by less than one. */
  early: number;
  block(ms: number): void;
  go(): Promise<void>;
  shift(ms: number): void;
}

function blockable(): Blockable {
  let now = 0;
  let shifted = 0;
  let turns: (() => void)[] = [];
  const armed = new Set<{ due: number; fire(): void }>();
  const nextDue = () =>
    [...armed].sort((one, other) => one.due - other.due).find(({ due }) => due <= now + clock.early);
  const clock: Blockable = {
    early: 0,
    now: () => now,
    time: () => 1_700_000_000_000 + now + shifted,
    random: () => 0.5,
    turn: (run) => void turns.push(run),
    timer(ms, fire) {
      const each = { due: now + ms, fire };
      armed.add(each);
      return { cancel: () => void armed.delete(each) };
    },
    block(ms) {
      now += ms;
    },
    shift(ms) {
      shifted += ms;
    },
    async go() {
      // As event loops do: first the timers, one after the other, then everything else.
      for (let idle = 0; idle < 3; idle++) {
        for (let each = nextDue(); each !== undefined; each = nextDue()) {
          armed.delete(each);
          each.fire();
          await new Promise((resolve) => setImmediate(resolve));
          idle = 0;
        }
        const run = turns;
        turns = [];
        if (run.length > 0) idle = 0;
        for (const turn of run) turn();
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
  return clock;
}

function start(options: NotifierOptions = {}) {
  const clock = blockable();
  const errors: string[] = [];
  const onError: NotifierOptions["onError"] = (_, { stage }) => void errors.push(stage);
  const notifier = createNotifier({ clock, onError, ...options });
  onTestFinished(async () => {
    const closed = outcomeOf(notifier.close());
    await clock.go();
    clock.block(60_000);
    await clock.go();
    expect(closed.state).toBe("fulfilled");
    assertQuiet(notifier);
  });
  return { clock, notifier, errors };
}

test("a client that answers neither its ping nor its close is cut, although the timer for that fires early", async () => {
  const { clock, notifier } = start({ heartbeat: 1_000, limits: { pong: 200 } });
  const silent = rawSocket(notifier, { user: "ann" });
  silent.session.receive('{"id":1,"connect":{}}');
  await clock.go();
  // It is pinged after 750 ms, and closed after 950.
  clock.early = 0.2;
  for (const ms of [749.8, 200]) {
    clock.block(ms);
    await clock.go();
  }
  expect(silent.closed?.code).toBe(3012);
  // This looks for deadlines without a reason.
  expect(notifier.rest()).toBe(false);
  await clock.go();
  clock.early = 0.9;
  clock.block(199.3);
  await clock.go();
  clock.block(50);
  await clock.go();
  expect([silent.terminated, notifier.stats().sessions]).toEqual([true, 0]);
});

describe("a process that was blocked", () => {
  test("for longer than the grace of a close in progress closes as soon as it runs again, once", async () => {
    const { clock, notifier, errors } = start({ grace: 3_000 });
    const stuck = rawSocket(notifier, { user: "ann", channels: ["news"] });
    stuck.session.receive('{"id":1,"connect":{}}');
    const run = notifier.run(() => never(), { name: "stubborn" });
    run.result().catch(() => {});
    await clock.go();
    await notifier.publish("news", 1);
    await clock.go();
    const closed = outcomeOf(notifier.close());
    await clock.go();
    clock.block(5_000);
    await clock.go();
    expect(closed.value).toMatchObject({
      runs: { abandoned: [run.id], cancelled: [], failed: [] },
      sessions: { closed: 0, cut: 1 },
      milliseconds: 5_000,
    });
    expect(stuck.closed?.code).toBe(3001);
    expect(errors).toEqual(["close"]);
  });

  test("before it closes has its whole grace all the same", async () => {
    const { clock, notifier } = start({ grace: 3_000 });
    const client = pipe(notifier, { peer: { user: "ann", channels: ["news"] } });
    client.send({ id: 1, connect: {} });
    await clock.go();
    for (let n = 1; n <= 5; n++) await notifier.publish("news", n);
    clock.block(5_000);
    const closed = outcomeOf(notifier.close());
    await clock.go();
    expect(client.received.slice(1)).toMatchObject(
      [1, 2, 3, 4, 5].map((data) => ({ push: { pub: { data } } })),
    );
    expect(closed.value).toMatchObject({ sessions: { closed: 1, cut: 0 }, milliseconds: 0 });
  });

  test("for longer than a pong may take reads the pongs that have arrived before it closes silent peers", async () => {
    const { clock, notifier } = start();
    const [answers, silent] = [rawSocket(notifier), rawSocket(notifier)];
    for (const { session } of [answers, silent]) session.receive('{"id":1,"connect":{}}');
    await clock.go();
    clock.block(18_750);
    await clock.go();
    expect([answers, silent].map(({ lines }) => lines.at(-1))).toEqual(["{}", "{}"]);
    clock.block(30_000);
    await clock.go();
    expect(answers.closed).toBeUndefined();
    answers.pong();
    clock.block(1_050);
    await clock.go();
    expect([answers.closed, silent.closed?.code]).toEqual([undefined, 3012]);
    for (const { session } of [answers, silent]) session.ended();
  });

  test("again and again does not spare a silent peer for ever", async () => {
    const { clock, notifier } = start();
    const silent = rawSocket(notifier);
    silent.session.receive('{"id":1,"connect":{}}');
    await clock.go();
    clock.block(18_750);
    await clock.go();
    for (let n = 0; n < 2; n++) {
      clock.block(30_000);
      await clock.go();
    }
    expect(silent.closed?.code).toBe(3012);
    silent.session.ended();
  });
});

describe("a change of the wall clock", () => {
  const hour = 3_600_000;
  test.each([-hour, hour])("by %i ms ends no permission sooner or later than it was to end", async (ms) => {
    const { clock, notifier } = start();
    const raw = rawSocket(notifier, { user: "ann", expires: clock.time() + 10_000 });
    raw.session.receive('{"id":1,"connect":{}}');
    await clock.go();
    clock.shift(ms);
    clock.block(9_900);
    await clock.go();
    expect(raw.closed).toBeUndefined();
    clock.block(100);
    await clock.go();
    expect(raw.closed).toEqual({ code: 3005, reason: "connection expired" });
    raw.session.ended();
  });
});

describe("a machine that sleeps, while the monotonic clock stands still", () => {
  const expires = 1_700_000_060_000;

  test("ends a permission that has expired by the wall clock, before it receives or sends anything more", async () => {
    const { clock, notifier } = start();
    const peer = { user: "ann", channels: ["news"], expires };
    const [hears, isSent] = [pipe(notifier, { peer }), pipe(notifier, { peer })];
    for (const each of [hears, isSent]) each.send({ id: 1, connect: {} });
    await clock.go();
    for (const each of [hears, isSent]) each.take();
    clock.shift(60_000);
    hears.send({ id: 2, ping: {} });
    await notifier.publish("news", "private");
    await clock.go();
    expect([hears, isSent].map(({ received, closed }) => [received, closed?.code])).toEqual([
      [[], 3005],
      [[], 3005],
    ]);
  });

  test("ends it at the next heartbeat where nothing else happens", async () => {
    const { clock, notifier } = start();
    const idle = pipe(notifier, { peer: { user: "ann", expires } });
    idle.send({ id: 1, connect: {} });
    await clock.go();
    clock.shift(60_000);
    clock.block(25_050);
    await clock.go();
    expect(idle.closed?.code).toBe(3005);
  });

  test("does not extend one when the wall clock is set back", async () => {
    const { clock, notifier } = start();
    const idle = pipe(notifier, { peer: { user: "ann", expires } });
    idle.send({ id: 1, connect: {} });
    await clock.go();
    clock.shift(-3_600_000);
    clock.block(60_050);
    await clock.go();
    expect(idle.closed?.code).toBe(3005);
  });
});
