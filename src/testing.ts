/**
 * Tools for tests: a clock that stands still, a peer without a socket, a check that nothing is left, and a suite that
 * tests a log.
 *
 * @module
 */

export { assertQuiet, type Inspectable } from "./testing/assert-quiet.ts";
export { type ClusterSuiteOptions, type ClusterTestRunner, clusterSuite } from "./testing/cluster-suite.ts";
export type { ClusterNode, ClusterWorld } from "./testing/cluster-suite-tools.ts";
export { type FakeClock, type FakeClockOptions, fakeClock } from "./testing/fake-clock.ts";
export { type LogSuiteOptions, type LogSuiteStore, logSuite, type TestRunner } from "./testing/log-suite.ts";
export { type Pipe, type PipeOptions, pipe } from "./testing/pipe.ts";
export {
  type SharedLog,
  type SharedLogOptions,
  type SharedSnapshot,
  type SharedState,
  sharedLog,
} from "./testing/shared-log.ts";
export type { NodeLog } from "./testing/shared-node.ts";
