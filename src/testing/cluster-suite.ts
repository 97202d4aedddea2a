import { confirmTests } from "./cluster-suite-confirms.ts";
import { faultTests, isOfFault } from "./cluster-suite-faults.ts";
import { publicationTests } from "./cluster-suite-publications.ts";
import { runTests } from "./cluster-suite-runs.ts";
import { type ClusterFault, type ClusterTests, type ClusterWorld, proveIn } from "./cluster-suite-tools.ts";
import type { TestRunner } from "./log-suite.ts";

/** The behaviours that notifiers over one store must have together, by name. */
const clusterTests: ClusterTests = { ...publicationTests, ...runTests, ...confirmTests };

/** Options of `clusterSuite`. */
export interface ClusterSuiteOptions {
  /** Creates a store for one test, which nobody else uses. The suite disposes it. */
  world(): ClusterWorld | Promise<ClusterWorld>;
  /**
   * What the world can do to its nodes and its store besides; see the members of `ClusterWorld` and of its nodes. The tests
   * of all other faults are skipped, and their names say why. Default: none.
   */
  faults?: readonly ClusterFault[] | undefined;
}

/** What the suite needs of a test runner. Without `skip`, tests that are skipped are left out. */
export interface ClusterTestRunner extends TestRunner {
  /** Declares a test that is not run. */
  skip?(name: string, body: () => Promise<void>): unknown;
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
 *         return { log, kill: () => log.kill(), cut: () => log.cut(), heal: () => log.heal() };
 *       };
 *       return { clock, lease: 15_000, open, async [Symbol.asyncDispose]() {} };
 *     },
 *     faults: ["cut"],
 *   },
 *   { describe, test, skip: test.skip },
 * );
 * ```
 */
export function clusterSuite(
  { world, faults = [] }: ClusterSuiteOptions,
  { describe, test, skip }: ClusterTestRunner,
): void {
  describe("a cluster", () => {
    for (const [name, prove] of Object.entries(clusterTests)) {
      test(name, async () => {
        await proveIn(await world(), prove);
      });
    }
    for (const [fault, tests] of Object.entries(faultTests)) {
      const isPossible = faults.includes(fault as ClusterFault);
      for (const [name, prove] of Object.entries(tests)) {
        const body = async (): Promise<void> => proveIn(await world(), prove, isOfFault);
        if (isPossible) test(name, body);
        else skip?.(`${name} (this world has no fault "${fault}")`, body);
      }
    }
  });
}
