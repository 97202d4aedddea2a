import { systemClock } from "../base/clock.ts";
import type { Log } from "../model/log.ts";
import { type FakeClock, fakeClock } from "./fake-clock.ts";
import { endTests } from "./log-suite-ends.ts";
import { entryTests } from "./log-suite-entries.ts";
import { keepingTests, wipeTests } from "./log-suite-keeping.ts";
import { readTests } from "./log-suite-reads.ts";
import { repeatTests } from "./log-suite-repeats.ts";
import { checked, createBell, type LogTest, type LogTests, type TestedLog, wait } from "./log-suite-tools.ts";
import { wakeTests } from "./log-suite-wakes.ts";

/** The behaviours that every log must have, by what they say. */
const logTests: LogTests = {
  ...entryTests,
  ...readTests,
  ...keepingTests,
  ...repeatTests,
  ...wakeTests,
  ...endTests,
};

/** What a suite needs of a test runner; those of vitest, Node, Bun and Deno's `@std/testing/bdd` fit. */
export interface TestRunner {
  /** Names a group of tests, which `body` declares. */
  describe(name: string, body: () => void): unknown;
  /** Declares a test, which fails when `body` rejects. */
  test(name: string, body: () => Promise<void>): unknown;
}

/** What a log to be tested is made with. */
export interface LogSuiteOptions {
  /**
   * The time that the log goes by: the suite moves it on, and looks right after at what must be gone. A log that never asks
   * it for the time is taken to have a time of its own. What takes such a log over a second is then left out: that slack
   * ends after 10 s, and that a channel is remembered for 24 hours.
   */
  clock: FakeClock;
}

/** What a suite is told of the store of a log to be tested. */
export interface LogSuiteStore {
  /**
   * Real milliseconds within which a wake must come, and what has ended must be gone; 3 000 by default. Nothing waits longer
   * than the store takes.
   */
  patience?: number | undefined;
  /** Loses all that is stored, under the log that works with it. Left out, what must hold after it is not tested. */
  wipe?(log: Log): void | Promise<void>;
}

/**
 * Tests that a store is a log: that it keeps the contract of `Log`. Each test makes a log, and disposes it.
 *
 * `make` MUST answer a log that nobody else disposes. What it makes may stand on a store that other logs, made before or at
 * the same time, are using: every test has channels of its own, whose names begin with `suite:`. One test disposes its log
 * and makes another, which may find what the first left, or nothing.
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
  store: LogSuiteStore = {},
): void {
  describe("a log", () => {
    const tests = { ...logTests, ...(store.wipe && wipeTests) };
    for (const [name, prove] of Object.entries(tests)) {
      test(name, async () => {
        await proveOn(make, prove, store);
      });
    }
  });
}

/** Proves it on a log of its own. */
async function proveOn(
  make: (options: LogSuiteOptions) => Log | Promise<Log>,
  prove: LogTest,
  { patience = 3_000, wipe }: LogSuiteStore,
): Promise<void> {
  const { clock, isAsked } = askable(fakeClock());
  const made: Log[] = [];
  const again = async (): Promise<TestedLog> => {
    const log = await make({ clock });
    made.push(log);
    return checked(log);
  };
  const log = await again();
  const first = made[0] as Log;
  try {
    await prove(log, `suite:${crypto.randomUUID()}`, {
      async pass(ms) {
        await clock.advance(ms);
        if (isAsked()) return true;
        if (ms <= 1_000) await wait(ms);
        return ms <= 1_000;
      },
      async holds(check) {
        const end = systemClock.now() + (isAsked() ? 0 : patience);
        while (systemClock.now() < end && (await failed(check))) await wait(10);
        await check();
      },
      bell: () => createBell(patience),
      again,
      wipe: async () => wipe?.(first),
    });
  } finally {
    for (const log of made) await log[Symbol.asyncDispose]();
  }
}

function failed(check: () => Promise<void>): Promise<boolean> {
  return check().then(
    () => false,
    () => true,
  );
}

/** A clock that says whether anybody has asked it for the time. */
function askable(clock: FakeClock): { clock: FakeClock; isAsked(): boolean } {
  let asked = false;
  const ask = (answer: () => number) => (): number => {
    asked = true;
    return answer();
  };
  const { now, time, timer, turn, random, advance, settle } = clock;
  return {
    clock: {
      ...{ now: ask(now), time: ask(time), timer, turn, random, advance, settle },
      get armed() {
        return clock.armed;
      },
    },
    isAsked: () => asked,
  };
}
