import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { Scope } from "../../src/base/scope.ts";
import { assertQuiet, fakeClock } from "../../src/testing.ts";

describe("fakeClock", () => {
  test("time stands still, and moves exactly as far as it is advanced", async () => {
    const clock = fakeClock({ time: 1000 });
    expect([clock.now(), clock.time()]).toEqual([0, 1000]);
    await clock.settle();
    await clock.advance(0);
    expect([clock.now(), clock.time()]).toEqual([0, 1000]);
    await clock.advance(2.5);
    expect([clock.now(), clock.time()]).toEqual([2.5, 1002.5]);
  });

  test("it begins in 2026 by default", () => {
    expect(new Date(fakeClock().time()).toISOString()).toBe("2026-01-01T00:00:00.000Z");
  });

  test("timers fire in order of due time, then of arming, each at its exact time", async () => {
    const clock = fakeClock();
    const fired: [string, number][] = [];
    const arm = (name: string, ms: number) => clock.timer(ms, () => fired.push([name, clock.now()]));
    arm("c", 20);
    arm("a", 10);
    arm("b", 10);
    arm("past", -5);
    arm("none", Number.NaN);
    arm("later", 31);
    await clock.advance(30);
    expect(fired).toEqual([
      ["past", 0],
      ["none", 0],
      ["a", 10],
      ["b", 10],
      ["c", 20],
    ]);
    expect([clock.now(), clock.armed]).toEqual([30, 1]);
  });

  test("a timer fires at its due time and not before", async () => {
    const clock = fakeClock();
    let fired = 0;
    clock.timer(10, () => fired++);
    await clock.advance(9);
    expect(fired).toBe(0);
    await clock.advance(1);
    expect(fired).toBe(1);
    await clock.advance(100);
    expect(fired).toBe(1);
  });

  test("timers armed during an advance fire in it when they are due", async () => {
    const clock = fakeClock();
    const ticks: number[] = [];
    const tick = () => {
      ticks.push(clock.now());
      clock.timer(10, tick);
    };
    clock.timer(10, tick);
    await clock.advance(35);
    expect([ticks, clock.armed]).toEqual([[10, 20, 30], 1]);
  });

  test("a cancelled timer never fires, even cancelled by another of the same time", async () => {
    const clock = fakeClock();
    const timers = [clock.timer(10, () => timers[1]?.cancel()), clock.timer(10, () => expect.unreachable())];
    clock.timer(10, () => expect.unreachable()).cancel();
    timers[0]?.cancel();
    timers[0]?.cancel();
    expect(clock.armed).toBe(1);
    timers[0] = clock.timer(5, () => timers[1]?.cancel());
    await clock.advance(20);
    expect(clock.armed).toBe(0);
  });

  test("everything that follows from a timer is settled before the next one fires: promise chains of any length, and turns", async () => {
    const clock = fakeClock();
    const seen: [string, number][] = [];
    clock.timer(10, async () => {
      for (let hop = 0; hop < 10_000; hop++) await undefined;
      seen.push(["chain", clock.now()]);
      clock.turn(async () => {
        await undefined;
        clock.turn(() => seen.push(["turn", clock.now()]));
      });
    });
    clock.timer(10, () => seen.push(["next", clock.now()]));
    clock.timer(11, () => seen.push(["last", clock.now()]));
    await clock.advance(11);
    expect(seen).toEqual([
      ["chain", 10],
      ["turn", 10],
      ["next", 10],
      ["last", 11],
    ]);
  });

  test("turns run in order, only when settling, each after everything that the one before caused", async () => {
    const clock = fakeClock();
    const seen: string[] = [];
    clock.turn(() => {
      seen.push("first");
      void Promise.resolve().then(() => seen.push("its promise"));
      clock.turn(() => seen.push("third"));
    });
    clock.turn(() => seen.push("second"));
    await new Promise<void>((resolve) => systemClock.turn(resolve));
    expect(seen).toEqual([]);
    await clock.settle();
    expect(seen).toEqual(["first", "its promise", "second", "third"]);
    expect(clock.now()).toBe(0);
  });

  test("two advances at the same time run one after the other", async () => {
    const clock = fakeClock();
    const seen: number[] = [];
    for (const ms of [5, 15, 25]) clock.timer(ms, () => seen.push(clock.now()));
    await Promise.all([clock.advance(10), clock.advance(10), clock.settle(), clock.advance(10)]);
    expect([seen, clock.now()]).toEqual([[5, 15, 25], 30]);
  });

  test("an error of a timer or a turn rejects the advance, which can be called again", async () => {
    const clock = fakeClock();
    const error = new Error("from a timer");
    clock.timer(10, () => {
      throw error;
    });
    let fired = 0;
    clock.timer(10, () => fired++);
    await expect(clock.advance(20)).rejects.toBe(error);
    expect([clock.now(), fired, clock.armed]).toEqual([10, 0, 1]);
    await clock.advance(0);
    expect(fired).toBe(1);
    clock.turn(() => {
      throw error;
    });
    await expect(clock.settle()).rejects.toBe(error);
    await clock.settle();
  });

  test.each([-1, Number.NaN, Infinity])("it refuses to advance by %d", async (ms) => {
    const clock = fakeClock();
    const message = `Cannot advance "${ms}" ms: time moves forward, and not for ever`;
    await expect(clock.advance(ms)).rejects.toEqual(new RangeError(message));
    expect(clock.now()).toBe(0);
  });

  test("random numbers depend on the seed only", () => {
    const numbers = (seed?: number) => {
      const { random } = fakeClock({ seed });
      return Array.from({ length: 1000 }, random);
    };
    expect(numbers()).toEqual(numbers(1));
    expect(numbers(2)).not.toEqual(numbers(1));
    expect(numbers(1).slice(0, 2)).toEqual([0.6270739405881613, 0.002735721180215478]);
    expect(numbers(7).filter((number) => !(number >= 0 && number < 1))).toEqual([]);
    const mean = numbers(7).reduce((sum, number) => sum + number) / 1000;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
  });
});

describe("assertQuiet", () => {
  test("it passes when nothing is held and every count is zero", () => {
    const stats = () => ({ sessions: 0, bytes: { queued: 0, kept: 0n }, closed: true, name: "hub" });
    expect(assertQuiet({ stats, inspect: () => [] })).toBeUndefined();
  });

  test("it lists everything that is held, and every count that is not zero", async () => {
    const clock = fakeClock();
    const scope = new Scope(clock, () => expect.unreachable());
    scope.hold("task", 'run:42 "render"');
    await clock.advance(3160);
    scope.hold("timer", "session 7f heartbeat");
    await clock.advance(40);
    const stats = () => ({ sessions: 1, bytes: { queued: -2, kept: 0 }, waits: [0, 3n], odd: Number.NaN });
    expect(() => assertQuiet({ stats, inspect: () => scope.inspect() })).toThrow(
      new Error(
        [
          "Expected nothing to be left",
          'task run:42 "render", 3.2 s',
          "timer session 7f heartbeat, 40 ms",
          "stats.sessions: 1",
          "stats.bytes.queued: -2",
          "stats.waits.1: 3",
          "stats.odd: NaN",
        ].join("\n  "),
      ),
    );
  });
});
