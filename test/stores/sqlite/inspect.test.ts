import { describe, expect, test } from "vitest";
import type { SqliteDatabase } from "../../../src/sqlite.ts";
import { databasePort } from "../../../src/stores/sqlite/database.ts";
import { demandFormat } from "../../../src/stores/sqlite/format.ts";
import { inspect } from "../../../src/stores/sqlite/inspect.ts";
import { logFile } from "../../support/log-file.ts";
import { driver, open } from "../../support/sqlite.ts";

if (typeof driver === "string") test.skip(`looking into a database: ${driver}`);
else describe(`looking into a database, with ${driver.name}`, suite);

function suite(): void {
  test("batches go on after the last name, past reserved channels", () => {
    const { path, add } = logFile();
    for (const name of ["b", "\0x", "a", "\0y", 'with "quotes" \ud800']) add(name, 1);
    const inspection = inspect(open(path, true));
    expect(inspection.rows).toBe(5);
    const names: string[][] = [];
    let after: string | undefined;
    do {
      const { channels, next } = inspection.channels(after, 2);
      names.push(channels.map(({ channel }) => channel));
      after = next;
    } while (after !== undefined);
    expect(names.flat()).toEqual(["a", "b", 'with "quotes" \ud800']);
    expect(names.length).toBe(3);
  });

  test("the version changes with each commit of others, and with nothing else", () => {
    const { path, add, log } = logFile();
    add("news", 1);
    const inspection = inspect(open(path, true));
    const { version } = inspection;
    inspection.read("news", {});
    log.read("news", {});
    expect(inspection.version).toBe(version);
    add("news", 2);
    expect(inspection.version).not.toBe(version);
  });

  test("what is over stays until the owner removes it, and the owner is not disturbed", async () => {
    const { path, add, log, clock } = logFile({ ttl: 1_000 });
    add("news", 1);
    const inspection = inspect(open(path, true));
    await clock.advance(2_000);
    expect(log.read("news", {}).entries).toEqual([]);
    expect(inspection.read("news", {})?.entries).toMatchObject([{ offset: 1, data: "1" }]);
    add("news", 2);
    expect(inspection.read("news", {})).toMatchObject({ first: 2, top: 2 });
    expect(inspection.owner).toMatchObject({ since: clock.time() - 2_000, lease: 86_400_000 });
    await log[Symbol.asyncDispose]();
    expect(inspection.owner).toBeUndefined();
  });

  test("it runs no statement that could write", () => {
    const { path, add } = logFile();
    add("news", 1);
    const [database, statements]: [SqliteDatabase, string[]] = [open(path, true), []];
    const watched: SqliteDatabase = {
      prepare(sql) {
        statements.push(sql);
        return database.prepare(sql);
      },
    };
    const inspection = inspect(watched);
    inspection.channels(undefined, 10);
    inspection.read("news", { limit: 1 });
    const { rows, version, owner } = inspection;
    expect([rows, version > 0, owner === undefined]).toEqual([1, true, false]);
    const reading = /^(SELECT|BEGIN$|COMMIT$|PRAGMA data_version$|PRAGMA busy_timeout)/;
    expect(statements.filter((sql) => !reading.test(sql))).toEqual([]);
    inspection.release();
  });

  test("a database of an older format is refused, with what to do", () => {
    const { path, add } = logFile();
    add("news", 1);
    const port = databasePort(open(path, true));
    const steps = [() => {}, () => {}];
    expect(() => demandFormat(port, steps)).toThrow(
      "Cannot read the database of the log: its format 1 is older than format 2. Read it with the version of tocsin that has written it",
    );
    port.release();
  });
}
