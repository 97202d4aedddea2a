import { sqliteLog } from "tocsin/sqlite";
import { type LogSuiteOptions, logSuite } from "tocsin/testing";
import { describe, test } from "vitest";
import { driver, open, temporaryPath } from "../../support/sqlite.ts";

if (typeof driver === "string") test.skip(`a log in SQLite: ${driver}`);
else {
  const paths = new WeakMap<object, string>();
  // One test makes its log again: with the same clock, and in the same file.
  const make = ({ clock }: LogSuiteOptions) => {
    const path = paths.get(clock) ?? temporaryPath();
    paths.set(clock, path);
    // Tests let a month pass. With the default lease, the log would beat half a million times.
    return sqliteLog({ database: open(path), clock, lease: 86_400_000 });
  };
  describe(`in a file, with ${driver.name}`, () => logSuite(make, { describe, test }));
}
