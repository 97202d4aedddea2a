import { expect, test } from "vitest";
import type { Log } from "../../src/model/log.ts";
import type { LogSuiteOptions } from "../../src/testing.ts";
import { createStore, gatheringLog, type Store } from "../support/gathering-log.ts";
import { failuresIn } from "../support/suite-failures.ts";

/** Makes logs that share a store exactly if they share a clock: those of one test. */
function maker(): (options: LogSuiteOptions) => Log {
  const stores = new WeakMap<object, Store>();
  return ({ clock }) => {
    const store = stores.get(clock) ?? createStore();
    stores.set(clock, store);
    return gatheringLog(store, clock);
  };
}

test("passes", async () => {
  expect(await failuresIn(maker(), { patience: 500 })).toEqual([]);
});
