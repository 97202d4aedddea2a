import { type LogSuiteOptions, logSuite } from "tocsin/testing";
import { describe, test } from "vitest";
import { createObjectLog } from "../../../src/stores/sqlite/object-log.ts";
import { standIn } from "../../support/object-storage.ts";
import { driver, open, temporaryPath } from "../../support/sqlite.ts";

if (typeof driver === "string") test.skip(`a log in an object's storage: ${driver}`);
else {
  const paths = new WeakMap<object, string>();
  // A test that makes its log again uses the same clock: it stands for the next life of the object.
  const make = ({ clock }: LogSuiteOptions) => {
    const path = paths.get(clock) ?? temporaryPath();
    paths.set(clock, path);
    return createObjectLog(standIn(open(path)), { id: path, clock });
  };
  describe(`in storage that stands for an object's, with ${driver.name}`, () =>
    logSuite(make, { describe, test }));
}
