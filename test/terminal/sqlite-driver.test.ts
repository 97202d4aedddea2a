import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { sqliteDriver } from "../../src/terminal/sqlite-driver.ts";
import { temporaryPath } from "../support/sqlite.ts";

/** Returns a project in which a package `better-sqlite3` with this code is installed. */
function projectWith(code: string | undefined): string {
  const directory = dirname(temporaryPath());
  const installed = join(directory, "node_modules/better-sqlite3");
  mkdirSync(installed, { recursive: true });
  if (code !== undefined) writeFileSync(join(installed, "index.js"), code);
  return join(directory, "_");
}

const driver = "module.exports = class { constructor(...given) { this.given = given; } };";

test("better-sqlite3 of the first project that has it opens the file to be read, where a runtime has no SQLite", async () => {
  const projects = [projectWith(undefined), projectWith(driver), projectWith("throw new Error('other')")];
  const open = await sqliteDriver({ modules: [["no:sqlite", "Database", "readonly"]], projects });
  expect(open("a.db")).toEqual({ given: ["a.db", { readonly: true, fileMustExist: true }] });
});

test("without any SQLite, it says what to use", async () => {
  const outcome = sqliteDriver({ modules: [], projects: [projectWith(undefined)] });
  await expect(outcome).rejects.toThrow(
    "Cannot read a log: this runtime has no SQLite; use Node 22.13 or newer, Bun or Deno, or install better-sqlite3 in this directory",
  );
});

test("a better-sqlite3 that does not load is not passed over", async () => {
  const projects = [projectWith("throw new Error('wrong module version\\nand more')"), projectWith(driver)];
  await expect(sqliteDriver({ modules: [], projects })).rejects.toThrow(
    "Cannot load better-sqlite3: wrong module version. Install it again with this Node",
  );
});

test("warnings are printed as before after a driver was looked for", async () => {
  const { emitWarning } = process;
  await sqliteDriver().catch(() => {});
  expect(process.emitWarning).toBe(emitWarning);
});
