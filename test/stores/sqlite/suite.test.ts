import { sqliteLog } from "tocsin/sqlite";
import { logSuite } from "tocsin/testing";
import { describe, test } from "vitest";
import { driver, open, temporaryPath } from "../../support/sqlite.ts";
import { committing } from "./tools.ts";

if (typeof driver === "string") test.skip(`a log in SQLite: ${driver}`);
else {
  describe(`in memory, with ${driver.name}`, () => {
    logSuite(({ clock }) => committing(sqliteLog({ database: open(), clock })), { describe, test });
  });
  describe(`in a file, with ${driver.name}`, () => {
    const paths = new WeakMap<object, string>();
    const makes = ({ clock }: { clock: Parameters<typeof sqliteLog>[0]["clock"] & object }) => {
      const path = paths.get(clock) ?? temporaryPath();
      paths.set(clock, path);
      return committing(sqliteLog({ database: open(path), clock }));
    };
    logSuite(makes, { describe, test });
  });
}
