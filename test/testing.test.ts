import { describe, expect, test } from "vitest";
import { systemClock } from "../src/clock.ts";
import type { Log } from "../src/log.ts";
import { memoryLog } from "../src/memory.ts";
import { Scope } from "../src/scope.ts";
import { assertQuiet, fakeClock, logSuite } from "../src/testing.ts";
import { atOnce } from "./fixtures/core.ts";

describe("fakeClock", () => {
  test("time stands still, and moves by exactly what is asked", async () => {
    const clock = fakeClock({ time: 1000 });
    expect([clock.now(), clock.time()]).toEqual([0, 1000]);
    await clock.settle();
    await clock.advance(0);
    expect([clock.now(), clock.time()]).toEqual([0, 1000]);
    await clock.advance(2.5);
    expect([clock.now(), clock.time()]).toEqual([2.5, 1002.5]);
  });

  test("it begins in 2026 unless told otherwise", () => {
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

  test("timers armed on the way fire in the same advance when they are due", async () => {
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

  test("what follows from a timer is settled before the next fires: promise chains of any length, and turns", async () => {
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

  test("turns run in order, only when settling, each after what the one before left behind", async () => {
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

  test("moves asked for together are made one after the other", async () => {
    const clock = fakeClock();
    const seen: number[] = [];
    for (const ms of [5, 15, 25]) clock.timer(ms, () => seen.push(clock.now()));
    await Promise.all([clock.advance(10), clock.advance(10), clock.settle(), clock.advance(10)]);
    expect([seen, clock.now()]).toEqual([[5, 15, 25], 30]);
  });

  test("what a timer or a turn throws rejects the advance, which can be asked for again", async () => {
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

  test("random numbers follow from the seed", () => {
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
  test("it says nothing when nothing is owned and every count is zero", () => {
    const stats = () => ({ sessions: 0, bytes: { queued: 0, kept: 0n }, closed: true, name: "hub" });
    expect(assertQuiet({ stats, inspect: () => [] })).toBeUndefined();
  });

  test("it lists everything that is owned, and every count that is not zero", async () => {
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

/** Runs the suite by hand, all tests at once, and answers the names of those that failed. */
async function failuresOf(change: (log: Log) => Partial<Log>): Promise<string[]> {
  const tests = new Map<string, () => Promise<void>>();
  const make = (): Log => {
    const log = memoryLog();
    const plain: Log = {
      append: (...args) => log.append(...args),
      read: (...args) => log.read(...args),
      watch: (...args) => log.watch(...args),
      [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
    };
    return { ...plain, ...change(log) };
  };
  logSuite(make, { describe: (_, body) => body(), test: (name, body) => tests.set(name, body) });
  const results = await Promise.all(
    Array.from(tests, ([name, body]) =>
      body().then(
        () => [],
        () => [name],
      ),
    ),
  );
  return results.flat();
}

const everyWake = "every append wakes, from the moment a watch is there";
const everyWatch = "every watch of a channel wakes, and one that throws harms nobody";

describe("logSuite passes a log that is right, and fails one that", () => {
  test("(is right)", async () => {
    expect(await failuresOf(() => ({}))).toEqual([]);
  });

  test("(is right, at once too)", async () => {
    expect(await failuresOf((log) => atOnce(log))).toEqual([]);
  });

  test("reads at once what it does not read later", async () => {
    const failures = await failuresOf((log) => ({
      ...atOnce(log),
      readNow: (channel, options) => ({ ...(log as Required<Log>).readNow(channel, options), gapless: true }),
    }));
    expect(failures).toEqual([
      "a position of another epoch is not gapless",
      "a position from the future is not gapless",
      "a position is gapless exactly while nothing after it was trimmed",
    ]);
  });

  test("watches at once, and never wakes", async () => {
    const deaf = await failuresOf((log) => ({
      ...atOnce(log),
      watchNow: (channel) => (log as Required<Log>).watchNow(channel, () => {}),
    }));
    expect(deaf).toEqual([
      everyWake,
      "what woke can be read",
      everyWatch,
      "a watch that was disposed never wakes, and others of its channel still do",
    ]);
  });

  test("answers appends in another order than they were called", async () => {
    const failures = await failuresOf((log) => ({
      async append(channel, data, options) {
        if (data === "7") await undefined;
        return log.append(channel, data, options);
      },
    }));
    expect(failures).toEqual(["appends made at once stand in the order in which they were called"]);
  });

  test("calls every read gapless", async () => {
    const failures = await failuresOf((log) => ({
      async read(channel, { after, ...options }) {
        const slice = await log.read(channel, options);
        const entries = slice.entries.filter(({ offset }) => offset > (after?.offset ?? 0));
        return { ...slice, entries, gapless: true };
      },
    }));
    expect(failures).toEqual([
      "a position of another epoch is not gapless",
      "a position from the future is not gapless",
      "a position is gapless exactly while nothing after it was trimmed",
      "a limit keeps the earliest entries, and changes nothing else",
    ]);
  });

  test("forgets epoch and top with the last entry", async () => {
    const failures = await failuresOf((log) => ({
      async read(channel, options) {
        const slice = await log.read(channel, options);
        if (slice.top === 0 || slice.first <= slice.top) return slice;
        return { ...slice, epoch: "new", top: 0, first: 1 };
      },
    }));
    expect(failures).toEqual(["epoch and top outlive the entries"]);
  });

  test("wakes for the first append only", async () => {
    const failures = await failuresOf((log) => ({
      watch(channel, wake, options) {
        let wakes = 0;
        return log.watch(channel, () => wakes++ === 0 && wake(), options);
      },
    }));
    expect(failures).toEqual([
      everyWake,
      "a watch that was disposed never wakes, and others of its channel still do",
    ]);
  });

  test("wakes before the entry can be read", async () => {
    const failures = await failuresOf((log) => {
      const early = new Map<string, Set<() => void>>();
      return {
        append(channel, data, options) {
          for (const wake of early.get(channel) ?? []) wake();
          return log.append(channel, data, options);
        },
        async watch(channel, wake, options) {
          const watch = await log.watch(channel, () => {}, options);
          const wakes = early.get(channel) ?? new Set();
          early.set(channel, wakes.add(wake));
          return {
            [Symbol.asyncDispose]() {
              wakes.delete(wake);
              return watch[Symbol.asyncDispose]();
            },
          };
        },
      };
    });
    expect(failures).toEqual([
      "what woke can be read",
      everyWatch,
      "a disposed log rejects with a ClosedError, and wakes nobody",
    ]);
  });

  test("wakes after it was disposed", async () => {
    const failures = await failuresOf((log) => ({
      async watch(channel, wake, options) {
        await log.watch(channel, wake, options);
        return { [Symbol.asyncDispose]: async () => {} };
      },
    }));
    expect(failures).toEqual(["a watch that was disposed never wakes, and others of its channel still do"]);
  });

  test("wraps the reason of an aborted signal, or appends all the same", async () => {
    const name = "an aborted signal rejects with its reason itself, and nothing is done";
    const wraps = await failuresOf((log) => ({
      async read(channel, options) {
        if (options.signal?.aborted) throw new Error("Aborted", { cause: options.signal.reason });
        return log.read(channel, options);
      },
    }));
    expect(wraps).toEqual([name]);
    const appends = await failuresOf((log) => ({
      async append(channel, data, { signal, ...options }) {
        const position = await log.append(channel, data, options);
        if (signal?.aborted) throw signal.reason;
        return position;
      },
    }));
    expect(appends).toContain(name);
  });

  test("folds text, or drops tags", async () => {
    const folds = await failuresOf((log) => ({
      append: (channel, data, options) => log.append(channel, data.normalize(), options),
    }));
    expect(folds).toEqual([
      "any string names a channel of its own",
      "payloads of any script and of 256 KiB come back unchanged",
    ]);
    const drops = await failuresOf((log) => ({
      append: (channel, data, { tags, ...options }) => log.append(channel, data, options),
    }));
    expect(drops).toEqual(["an entry keeps offset, data, time and tags, and nothing else"]);
  });

  test("folds the names of channels", async () => {
    const failures = await failuresOf((log) => ({
      append: (channel, data, options) => log.append(channel.normalize().toLowerCase(), data, options),
      read: (channel, options) => log.read(channel.normalize().toLowerCase(), options),
    }));
    expect(failures).toEqual(["any string names a channel of its own"]);
  });

  test("keeps the first retention it was given", async () => {
    const failures = await failuresOf((log) => {
      const first = new Map<string, object>();
      return {
        append(channel, data, { retention = {}, ...options }) {
          if (!first.has(channel)) first.set(channel, retention);
          return log.append(channel, data, { ...options, retention: first.get(channel) });
        },
      };
    });
    expect(failures).toEqual([
      "epoch and top outlive the entries",
      "the retention given with an append replaces the one before it",
    ]);
  });

  test("answers after it was disposed", async () => {
    const failures = await failuresOf(() => ({ [Symbol.asyncDispose]: async () => {} }));
    expect(failures).toEqual(["a disposed log rejects with a ClosedError, and wakes nobody"]);
  });
});
