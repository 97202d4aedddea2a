import { describe, test } from "vitest";
import {
  type ClusterWorld,
  clusterSuite,
  fakeClock,
  type SharedLogOptions,
  sharedLog,
} from "../../src/testing.ts";

function world(options: SharedLogOptions = {}): ClusterWorld {
  const clock = fakeClock();
  const { lease = 15_000 } = options;
  const shared = sharedLog({ clock, ...options });
  return {
    ...{ clock, lease },
    open() {
      const log = shared.open();
      return { log, kill: () => log.kill() };
    },
    async [Symbol.asyncDispose]() {
      const { watches } = shared.inspect();
      if (clock.armed > 0 || watches > 0)
        throw new Error(`${clock.armed} timers and ${watches} watches are left`);
    },
  };
}

describe("nodes over a shared log that answers in microtasks", () => {
  clusterSuite({ world }, { describe, test });
});

describe("nodes over a shared log that takes 20 ms for each way", () => {
  clusterSuite({ world: () => world({ latency: 20 }) }, { describe, test });
});
