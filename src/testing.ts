/**
 * What tests need: a clock that stands still, a peer without a socket, and a suite that proves a log.
 *
 * @module
 */

import { type Clock, systemClock, type Timer } from "./clock.ts";
import type { Log } from "./log.ts";
import { type LogTest, logTests } from "./log-suite.ts";
import type { Pending } from "./scope.ts";

export { type Pipe, type PipeOptions, pipe } from "./pipe.ts";

/** Where a fake clock begins. */
export interface FakeClockOptions {
  /** What its random numbers follow from; 1 by default. */
  seed?: number | undefined;
  /** Its first `time()`, in milliseconds since the Unix epoch; the first moment of 2026 by default. */
  time?: number | undefined;
}

/** A clock that stands still until it is told to move, and never waits for real time. */
export interface FakeClock extends Clock {
  /**
   * Moves time on by `ms` and settles. Timers due by then fire in order of due time, then of arming, each at its exact
   * time, with everything that follows from one settled before the next. Moves asked for together are made in order.
   *
   * Rejects with what a timer or a turn throws, and stops there; with a RangeError when `ms` is negative or not finite.
   */
  advance(ms: number): Promise<void>;
  /** Runs queued turns, and lets promises settle, until neither is left; time stands still. */
  settle(): Promise<void>;
  /** Timers armed now. */
  readonly armed: number;
}

interface Armed extends Timer {
  due: number;
  fire(): void;
}

/**
 * Makes a clock for tests: time moves only by `advance`, turns run only in `advance` and `settle`, and chance is the same
 * in every run.
 *
 * What settles is what hangs from promises, timers and turns of this clock; real input and output is not waited for.
 *
 * @example
 * ```ts
 * const clock = fakeClock();
 * const notifier = createNotifier({ clock });
 * await clock.advance(5_000);
 * ```
 */
export function fakeClock({ seed = 1, time = 1_767_225_600_000 }: FakeClockOptions = {}): FakeClock {
  const turns: (() => void)[] = [];
  /** In order of due time, then of arming. */
  const timers: Armed[] = [];
  let now = 0;
  let moving = Promise.resolve();

  async function runTurns(): Promise<void> {
    await macrotask();
    for (let run = turns.shift(); run !== undefined; run = turns.shift()) {
      run();
      await macrotask();
    }
  }

  async function move(ms: number): Promise<void> {
    const end = now + ms;
    await runTurns();
    for (let next = timers[0]; next !== undefined && next.due <= end; next = timers[0]) {
      timers.shift();
      now = next.due;
      next.fire();
      await runTurns();
    }
    now = end;
    await runTurns();
  }

  function inOrder(step: () => Promise<void>): Promise<void> {
    const moved = moving.then(step);
    moving = moved.catch(() => {});
    return moved;
  }

  return {
    now: () => now,
    time: () => time + now,
    timer(ms, fire) {
      const armed: Armed = { due: now + (Math.max(ms, 0) || 0), fire, cancel: () => remove(timers, armed) };
      timers.splice(placeOf(timers, armed.due), 0, armed);
      return armed;
    },
    turn: (run) => void turns.push(run),
    random: mulberry32(seed),
    async advance(ms) {
      if (!(ms >= 0 && ms < Infinity)) {
        throw new RangeError(`Cannot advance "${ms}" ms: time moves forward, and not for ever`);
      }
      await inOrder(() => move(ms));
    },
    settle: () => inOrder(runTurns),
    get armed() {
      return timers.length;
    },
  };
}

/** Whatever can be asked what it owns; every notifier can. */
export interface Inspectable {
  /** Counts, all zero when quiet. */
  stats(): object;
  /** Everything owned now. */
  inspect(): readonly Pending[];
}

/**
 * Throws an error that lists everything a notifier still owns, and each of its counts that is not zero.
 *
 * @example
 * ```ts
 * await notifier.close();
 * assertQuiet(notifier); // or throws: Expected nothing to be left
 *                        //              task run:42 "render", 3.2 s
 *                        //              stats.runs: 1
 * ```
 */
export function assertQuiet(notifier: Inspectable): void {
  const owned = notifier.inspect().map(({ kind, owner, age }) => `${kind} ${owner}, ${span(age)}`);
  const counts = [...countsIn(notifier.stats(), "stats")];
  if (owned.length + counts.length === 0) return;
  throw new Error(["Expected nothing to be left", ...owned, ...counts].join("\n  "));
}

/** What a suite needs of a test runner; those of vitest, Node, Bun and Deno's `@std/testing/bdd` fit. */
export interface TestRunner {
  /** Names a group of tests, which `body` declares. */
  describe(name: string, body: () => void): unknown;
  /** Declares a test, which fails when `body` rejects. */
  test(name: string, body: () => Promise<void>): unknown;
}

/** What a log to be tested is made with. */
export interface LogSuiteOptions {
  /** Stands still throughout; a log whose store keeps its own time has no need of it. */
  clock: FakeClock;
}

/**
 * Tests that a store is a log: that it keeps the contract of `Log`. Each test makes a log, and disposes it. One that does
 * something at once, too (`appendNow`, `readNow`, `watchNow`), is tested a second time that way.
 *
 * @example
 * ```ts
 * import { describe, test } from "vitest";
 * logSuite(({ clock }) => memoryLog({ clock }), { describe, test });
 * ```
 */
export function logSuite(
  make: (options: LogSuiteOptions) => Log | Promise<Log>,
  { describe, test }: TestRunner,
): void {
  describe("a log", () => {
    for (const [name, prove] of Object.entries(logTests)) {
      test(name, async () => {
        const log = await make({ clock: fakeClock() });
        await proveOn(log, prove);
        if (log.appendNow ?? log.readNow ?? log.watchNow)
          await proveOn(atOnce(await make({ clock: fakeClock() })), prove);
      });
    }
  });
}

async function proveOn(log: Log, prove: LogTest): Promise<void> {
  try {
    await prove(log, `suite:${crypto.randomUUID()}`);
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

/** The log as it is where all is done at once that can be. */
function atOnce(log: Log): Log {
  const { appendNow, readNow, watchNow } = log;
  return {
    append: async (...args) => (appendNow === undefined ? log.append(...args) : appendNow.apply(log, args)),
    read: async (...args) => (readNow === undefined ? log.read(...args) : readNow.apply(log, args)),
    async watch(channel, wake, options) {
      if (watchNow === undefined) return log.watch(channel, wake, options);
      options?.signal?.throwIfAborted();
      return watchNow.call(log, channel, wake);
    },
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

function* countsIn(value: unknown, path: string): Generator<string> {
  if (typeof value === "number" || typeof value === "bigint") {
    if (value !== 0 && value !== 0n) yield `${path}: ${value}`;
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) yield* countsIn(member, `${path}.${name}`);
  }
}

function span(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** Every promise chain that needs no more than the microtask queue is over by the next macrotask, however long it is. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

/** After all that is due by then: what was armed first fires first. */
function placeOf(timers: readonly Armed[], due: number): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timers[middle]?.due ?? Infinity) <= due) low = middle + 1;
    else high = middle;
  }
  return low;
}

function remove<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
}

/** Mulberry32, by Tommy Ettinger: 32 bits of state, good enough for jitter, and the same everywhere. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
