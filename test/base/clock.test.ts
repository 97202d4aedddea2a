import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/base/clock.ts";

function turn(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

describe("the system clock", () => {
  test("now never goes back", () => {
    const readings = Array.from({ length: 1000 }, systemClock.now);
    expect(readings).toEqual(readings.toSorted((one, other) => one - other));
  });

  test("time is the system's", () => {
    const before = Date.now();
    const time = systemClock.time();
    expect([before <= time, time <= Date.now()]).toEqual([true, true]);
  });

  test("random is a number from 0 up to but not including 1", () => {
    const numbers = Array.from({ length: 1000 }, systemClock.random);
    expect(numbers.filter((number) => !(number >= 0 && number < 1))).toEqual([]);
    expect(new Set(numbers).size).toBeGreaterThan(990);
  });

  test("a timer fires once, no sooner than it is due", async () => {
    const armed = systemClock.now();
    let fired = 0;
    await new Promise<void>((resolve) => {
      systemClock.timer(20, () => {
        fired++;
        resolve();
      });
    });
    // Timers are rounded to whole milliseconds, and may fire up to 1 ms early.
    expect(systemClock.now() - armed).toBeGreaterThanOrEqual(19);
    await turn();
    expect(fired).toBe(1);
  });

  test("timers fire in order of their due time", async () => {
    const fired: number[] = [];
    await new Promise<void>((resolve) => {
      for (const ms of [30, -5, 10]) systemClock.timer(ms, () => fired.push(ms));
      systemClock.timer(40, resolve);
    });
    expect(fired).toEqual([-5, 10, 30]);
  });

  test("a cancelled timer never fires, and cancelling it again does nothing", async () => {
    const timer = systemClock.timer(0, () => expect.unreachable());
    timer.cancel();
    timer.cancel();
    await new Promise<void>((resolve) => systemClock.timer(5, resolve));
  });

  test.each([2 ** 31, 2 ** 40, Infinity])("a timer of %d ms does not fire at once", async (ms) => {
    let fired = 0;
    const timer = systemClock.timer(ms, () => fired++);
    await new Promise<void>((resolve) => systemClock.timer(5, resolve));
    timer.cancel();
    expect(fired).toBe(0);
  });

  test("a turn comes after every microtask, in the order of the calls", async () => {
    expect(await orderOfTurns()).toEqual(["now", "microtasks", "first", "second"]);
  });

  // Not a message on a MessageChannel: workerd delivers that as a microtask.
  test("a turn comes after every microtask also where there is no setImmediate", async () => {
    const { setImmediate } = globalThis;
    try {
      Object.assign(globalThis, { setImmediate: undefined });
      expect(await orderOfTurns()).toEqual(["now", "microtasks", "first", "second"]);
    } finally {
      Object.assign(globalThis, { setImmediate });
    }
  });
});

/** Calls for two turns, and queues microtasks after them. Returns in which order they came. */
async function orderOfTurns(): Promise<string[]> {
  const order: string[] = [];
  const turns = ["first", "second"].map((name) => turn().then(() => order.push(name)));
  let chain = Promise.resolve();
  for (let hop = 0; hop < 100; hop++) chain = chain.then(() => {});
  void chain.then(() => order.push("microtasks"));
  order.push("now");
  await Promise.all(turns);
  return order;
}
