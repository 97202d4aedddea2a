import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { driver, type OpenDatabase } from "./sqlite-driver.ts";

export { driver, type OpenDatabase };

/** Returns the path of a database that does not exist yet. Its directory is removed after the test. */
export function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-sqlite-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "log.db");
}

/** Opens a database that is closed after the test. */
export function open(path: string = ":memory:", isReadOnly = false): OpenDatabase {
  if (typeof driver === "string") throw new Error(driver);
  const database = driver.open(path, isReadOnly);
  let isClosed = false;
  // Not every driver allows closing twice.
  const close = database.close.bind(database);
  database.close = () => {
    if (!isClosed) close();
    isClosed = true;
  };
  onTestFinished(() => database.close());
  return database;
}
