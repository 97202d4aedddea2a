/**
 * What tests need: a clock that stands still, a peer without a socket, and a suite that proves a log.
 *
 * @module
 */

export { assertQuiet, type Inspectable } from "./assert-quiet.ts";
export { type FakeClock, type FakeClockOptions, fakeClock } from "./fake-clock.ts";
export { type LogSuiteOptions, type LogSuiteStore, logSuite, type TestRunner } from "./log-suite.ts";
export { type Pipe, type PipeOptions, pipe } from "./pipe.ts";
