/**
 * What tests need: a clock that stands still, a peer without a socket, and a suite that proves a log.
 *
 * @module
 */

export { assertQuiet, type Inspectable } from "./testing/assert-quiet.ts";
export { type FakeClock, type FakeClockOptions, fakeClock } from "./testing/fake-clock.ts";
export { type LogSuiteOptions, type LogSuiteStore, logSuite, type TestRunner } from "./testing/log-suite.ts";
export { type Pipe, type PipeOptions, pipe } from "./testing/pipe.ts";
