import { systemClock } from "../base/clock.ts";
import type { Log } from "../model/log.ts";
import { type FakeClock, fakeClock } from "./fake-clock.ts";
import { checked } from "./log-suite-checked.ts";
import { commitTests } from "./log-suite-commit.ts";
import { endTests } from "./log-suite-ends.ts";
import { entryTests } from "./log-suite-entries.ts";
import { keepingTests, wipeTests } from "./log-suite-keeping.ts";
import { lostNodeTests } from "./log-suite-lost.ts";
import { memberTests } from "./log-suite-members.ts";
import { nodeTests, wipedNodeTests } from "./log-suite-nodes.ts";
import { placeTests } from "./log-suite-places.ts";
import { readTests } from "./log-suite-reads.ts";
import { repeatTests } from "./log-suite-repeats.ts";
import { stateTests } from "./log-suite-states.ts";
import { togetherTests } from "./log-suite-together.ts";
import { createBell, type LogTest, type LogTests, type TestedLog, wait } from "./log-suite-tools.ts";
import { wakeTests } from "./log-suite-wakes.ts";

/** The behaviours that every log must have, by name. */
const logTests: LogTests = {
  ...entryTests,
  ...readTests,
  ...keepingTests,
  ...repeatTests,
  ...togetherTests,
  ...placeTests,
  ...stateTests,
  ...wakeTests,
  ...commitTests,
  ...memberTests,
  ...nodeTests,
  ...endTests,
};

/** What a suite needs of a test runner. Those of vitest, Node, Bun and Deno (`@std/testing/bdd`) fit. */
export interface TestRunner {
  /** Names a group of tests, which `body` declares. */
  describe(name: string, body: () => void): unknown;
  /** Declares a test, which fails when `body` rejects. */
  test(name: string, body: () => Promise<void>): unknown;
}

/** The options that a log under test is created with. */
export interface LogSuiteOptions {
  /**
   * The clock that the log must use. The suite advances it, and checks immediately after that what must be gone. If a
   * log never asks it for the time, the suite assumes that the log has a clock of its own. Checks that would then take
   * over a second are left out: that slack ends after 10 s, and that a channel is remembered for 24 hours.
   */
  clock: FakeClock;
}

/** What a suite needs of the store behind a log under test. */
export interface LogSuiteStore {
  /**
   * Real milliseconds within which a wake must come, what has expired must be gone, and a member must have joined. No test waits longer than the
   * store needs. Default 3 000.
   */
  patience?: number | undefined;
  /** Wipes the store while the log uses it. Default: what must hold after that is not tested. */
  wipe?(log: Log): void | Promise<void>;
  /**
   * Lets the store take the member of a log for gone, as after a network that was down for longer than its lease, and
   * lets the log hear of it. `clock` is the one that the log was created with. Another member is there meanwhile.
   * Default: what must hold after that is not tested.
   */
  lose?(log: Log, clock: FakeClock): void | Promise<void>;
}

/**
 * Tests that a store fulfils the contract of `Log`. Each test creates a log and disposes it.
 *
 * `make` MUST return a log that nobody else disposes. The log may use a store that other logs use too, created before
 * or at the same time: every test uses its own channels, whose names begin with `suite:`. Some tests dispose their log and
 * create another with the same `clock`, which may find what the first left, or nothing. The records of a log that has
 * `join` it must find.
 *
 * If several members work with a store at once, logs with the same `clock` MUST have the same store, and logs of other
 * tests another one: what a member leaves may go to any other member.
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
    const { wipe, lose } = store;
    const tests = {
      ...logTests,
      ...(wipe && { ...wipeTests, ...wipedNodeTests }),
      ...(lose && lostNodeTests),
    };
    for (const [name, prove] of Object.entries(tests)) {
      test(name, async () => {
        await proveOn(make, prove, store);
      });
    }
  });
}

/** Runs one test on a log of its own. */
async function proveOn(
  make: (options: LogSuiteOptions) => Log | Promise<Log>,
  prove: LogTest,
  { patience = 3_000, wipe, lose }: LogSuiteStore,
): Promise<void> {
  const { clock, isAsked } = askable(fakeClock());
  const made: TestedLog[] = [];
  const again = async (): Promise<TestedLog> => {
    const log = checked(await make({ clock }));
    made.push(log);
    return log;
  };
  const log = await again();
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
      bell: (what) => createBell(patience, what),
      again,
      wipe: async () => wipe?.(log.raw),
      lose: async () => lose?.(log.raw, clock),
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

/** Returns a clock that records whether it was asked for the time. */
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
