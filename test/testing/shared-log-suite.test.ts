import { describe, test } from "vitest";
import type { Log } from "../../src/model/log.ts";
import {
  type FakeClock,
  logSuite,
  type NodeLog,
  type SharedLog,
  type SharedLogOptions,
  sharedLog,
} from "../../src/testing.ts";

/** Returns the shared log of a test: all logs of one test have the same clock. */
function stores(create: (options: SharedLogOptions) => SharedLog = sharedLog) {
  const known = new WeakMap<object, SharedLog>();
  return (options: SharedLogOptions & { clock: object }): SharedLog => {
    const shared = known.get(options.clock) ?? create(options);
    known.set(options.clock, shared);
    return shared;
  };
}

const runner = { describe, test };

/** Cuts a node off for longer than its lease. */
async function lose(log: Log, clock: FakeClock): Promise<void> {
  const node = log as NodeLog;
  node.cut();
  await clock.advance(60_000);
  node.heal();
}

describe("each log of a test is one node of a shared log", () => {
  const of = stores();
  const wiped = new WeakMap<Log, SharedLog>();
  logSuite(
    (options) => {
      const shared = of(options);
      const log = shared.open();
      wiped.set(log, shared);
      return log;
    },
    runner,
    { wipe: (log) => wiped.get(log)?.wipe(), lose },
  );
});

describe("each log of a test is two nodes: one writes, the other reads and is woken", () => {
  const of = stores();
  logSuite((options) => {
    const shared = of(options);
    const [writer, reader] = [shared.open(), shared.open()];
    return {
      append: (...call) => writer.append(...call),
      join: (...call) => writer.join(...call),
      keeps: (channel) => reader.keeps(channel),
      read: (...call) => reader.read(...call),
      watch: (...call) => reader.watch(...call),
      async [Symbol.asyncDispose]() {
        await writer[Symbol.asyncDispose]();
        await reader[Symbol.asyncDispose]();
      },
    };
  }, runner);
});

describe.concurrent("each request and each answer takes up to 2 ms of real time", () => {
  const of = stores(() => sharedLog({ latency: () => 2 * Math.random() }));
  logSuite((options) => of(options).open(), runner);
});
