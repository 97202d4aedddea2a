import { confirmTests } from "./cluster-suite-confirms.ts";
import { publicationTests } from "./cluster-suite-publications.ts";
import { runTests } from "./cluster-suite-runs.ts";
import { type ClusterTests, type ClusterWorld, proveIn } from "./cluster-suite-tools.ts";
import type { TestRunner } from "./log-suite.ts";

/** The behaviours that notifiers over one store must have together, by name. */
const clusterTests: ClusterTests = { ...publicationTests, ...runTests, ...confirmTests };

/** Options of `clusterSuite`. */
export interface ClusterSuiteOptions {
  /** Creates a store for one test, which nobody else uses. The suite disposes it. */
  world(): ClusterWorld | Promise<ClusterWorld>;
}

/**
 * Tests what several notifiers do together over one store: each test starts up to five of them, and kills or closes some.
 * The log of the store MUST pass `logSuite`, and MUST let several members join at once.
 *
 * Without a fake clock a test takes several leases of real time, so the lease should be short.
 *
 * @example
 * ```ts
 * import { describe, test } from "vitest";
 * clusterSuite(
 *   {
 *     world() {
 *       const clock = fakeClock();
 *       const shared = sharedLog({ clock });
 *       const open = () => {
 *         const log = shared.open();
 *         return { log, kill: () => log.kill() };
 *       };
 *       return { clock, lease: 15_000, open, async [Symbol.asyncDispose]() {} };
 *     },
 *   },
 *   { describe, test },
 * );
 * ```
 */
export function clusterSuite({ world }: ClusterSuiteOptions, { describe, test }: TestRunner): void {
  describe("a cluster", () => {
    for (const [name, prove] of Object.entries(clusterTests)) {
      test(name, async () => {
        await proveIn(await world(), prove);
      });
    }
  });
}
