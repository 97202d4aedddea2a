import type { Log } from "../../src/model/log.ts";
import { type LogSuiteOptions, type LogSuiteStore, logSuite } from "../../src/testing.ts";

/** Runs the suite for logs, with all tests at once, and returns the names of those that failed. */
export async function failuresIn(
  make: (options: LogSuiteOptions) => Log,
  store?: LogSuiteStore,
): Promise<string[]> {
  const tests = new Map<string, () => Promise<void>>();
  const runner = {
    describe: (_: string, body: () => void) => body(),
    test: (name: string, body: () => Promise<void>) => tests.set(name, body),
  };
  logSuite(make, runner, store);
  const results = await Promise.all(
    Array.from(tests, ([name, body]) =>
      body().then(
        () => [],
        () => [name],
      ),
    ),
  );
  return results.flat();
}
