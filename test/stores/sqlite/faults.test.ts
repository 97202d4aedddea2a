import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { describe, expect, test as plain } from "vitest";
import { ClosedError, LogError } from "../../../src/model/errors.ts";
import { driverError } from "../../../src/stores/sqlite/faults.ts";
import { type OpenDatabase, open, temporaryPath } from "../../support/sqlite.ts";
import {
  append,
  count,
  fill,
  gather,
  offsets,
  payloads,
  recorder,
  rejected,
  start,
  test,
  thrown,
} from "./tools.ts";

const begins = "Cannot use the database of the log: ";

/** A database whose statements fail while `fault` returns an error for them. */
function faulty(database: OpenDatabase) {
  const state: { fault: (sql: string) => Error | undefined } = { fault: () => undefined };
  const prepare = database.prepare.bind(database);
  database.prepare = (sql) => {
    const statement = prepare(sql);
    const all = statement.all.bind(statement);
    const run = statement.run.bind(statement);
    const attempt =
      <T extends unknown[], R>(work: (...values: T) => R) =>
      (...values: T): R => {
        const error = state.fault(sql);
        if (error !== undefined) throw error;
        return work(...values);
      };
    return {
      all: attempt(all),
      run: attempt(run),
      ...(statement.reader !== undefined && { reader: statement.reader }),
      finalize: () => statement.finalize?.(),
    };
  };
  return state;
}

const full = () => Object.assign(new Error("database or disk is full"), { errcode: 13 });

describe("a commit that fails", () => {
  test.for(["COMMIT", "INSERT INTO tocsin_entries", "UPDATE tocsin_channels", "BEGIN", "UPDATE tocsin_log"])(
    "at %s writes nothing, wakes nobody and keeps what is gathered, and the next one writes it once",
    (place) => {
      const database = open();
      const state = faulty(database);
      const { log } = start({ database });
      append(log, "a", "1");
      const wakes: unknown[] = [];
      log.watch("a", (hint) => wakes.push(hint?.data));
      const { epoch } = gather(log, "a", "2", { key: { text: "k", ttl: 60_000 }, state: "new" });
      gather(log, "b", "1");
      state.fault = (sql) => (sql.startsWith(place) ? full() : undefined);
      for (let tries = 0; tries < 3; tries++) {
        expect(thrown(() => log.commit())).toMatchObject({ name: "LogError", lasting: false });
        gather(log, "a", String(tries + 3));
        expect([payloads(log, "a"), log.read("a", {}).state, count(database, "keys"), wakes]).toEqual([
          ...[["1"], undefined, 0, []],
        ]);
      }
      state.fault = () => undefined;
      log.commit();
      log.commit();
      expect(payloads(log, "a")).toEqual(["1", "2", "3", "4", "5"]);
      expect(log.read("a", {})).toMatchObject({ epoch, state: "new" });
      expect(wakes).toEqual(["2", "3", "4", "5"]);
      expect([payloads(log, "b"), count(database, "channels")]).toEqual([["1"], 2]);
    },
  );

  test("for good drops what is gathered, and every later call throws its error", async () => {
    const database = open();
    const state = faulty(database);
    const { log } = start({ database });
    append(log, "a", "1");
    gather(log, "a", "2");
    const cause = Object.assign(new Error("disk image is malformed"), { code: "SQLITE_CORRUPT", errno: 11 });
    state.fault = (sql) => (sql.startsWith("INSERT") ? cause : undefined);
    const gathered = log.bytes;
    const error = thrown(() => log.commit());
    expect(gathered - log.bytes).toBe(513);
    expect(error).toMatchObject({
      message: `${begins}its file is damaged, or is not a database. Put a copy in its place, and call renew() on the log`,
      lasting: true,
      cause,
    });
    state.fault = () => undefined;
    const calls = [() => gather(log, "a", "3"), () => log.read("a", {}), () => log.watch("a", () => {})];
    for (const call of [...calls, () => log.commit(), () => log.renew()]) expect(thrown(call)).toBe(error);
    await expect(log.join(recorder())).rejects.toBe(error);
    expect(log.keeps("a").size).toBe(1_000);
    expect(count(database, "entries")).toBe(1);
    await log[Symbol.asyncDispose]();
    expect(thrown(() => gather(log, "a", "3"))).toBeInstanceOf(ClosedError);
  });

  test("leaves the retention, trimming and total as they were", () => {
    const database = open();
    const state = faulty(database);
    const { log } = start({ database, size: 100, slack: 0, totalBytes: 150 * 193 });
    fill(log, "a", 100);
    for (let number = 0; number < 70; number++) gather(log, "a", "1");
    state.fault = (sql) => (sql === "COMMIT" ? full() : undefined);
    expect(thrown(() => log.commit())).toMatchObject({ lasting: false });
    expect([offsets(log, "a").length, count(database, "entries")]).toEqual([100, 100]);
    state.fault = () => undefined;
    log.commit();
    expect([offsets(log, "a")[0], count(database, "entries")]).toEqual([71, 100]);
  });
});

/** Returns the path of a database with a thousand publications, which nobody has open. */
async function leftFull(): Promise<string> {
  const path = temporaryPath();
  const { log, database } = start({ path });
  fill(log, "a", 1_000, JSON.stringify("x".repeat(200)));
  await log[Symbol.asyncDispose]();
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  return path;
}

describe("a database", () => {
  test("that another connection locks fails the commit for the time being", () => {
    const path = temporaryPath();
    const { log } = start({ path });
    append(log, "a", "1");
    const other = open(path);
    other.exec("BEGIN IMMEDIATE");
    gather(log, "a", "2");
    const error = thrown(() => log.commit());
    expect(error).toMatchObject({
      message: `${begins}it is locked by another connection. The log needs a database of its own: end the other's transaction`,
      lasting: false,
    });
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect(payloads(log, "a")).toEqual(["1"]);
    other.exec("ROLLBACK");
    log.commit();
    expect(payloads(log, "a")).toEqual(["1", "2"]);
  });

  test("that stays locked rejects a join after about two seconds, which may be tried again", async () => {
    const path = temporaryPath();
    const other = open(path);
    other.exec("CREATE TABLE others (id)");
    other.exec("BEGIN EXCLUSIVE");
    const { log, clock } = start({ path });
    const failed = rejected(log.join(recorder()));
    await clock.advance(2_000);
    expect(await failed).toMatchObject({ lasting: false, message: expect.stringContaining("it is locked") });
    other.exec("COMMIT");
    await log.join(recorder());
    expect(append(log, "a", "1").offset).toBe(1);
  });

  test("that is locked when it is opened is opened by a later call", async () => {
    const path = temporaryPath();
    const other = open(path);
    other.exec("CREATE TABLE others (id)");
    other.exec("BEGIN EXCLUSIVE");
    const { log, clock } = start({ path });
    expect(thrown(() => gather(log, "a", "1"))).toMatchObject({ lasting: false });
    const joining = log.join(recorder());
    await clock.advance(1_000);
    other.exec("COMMIT");
    await clock.advance(250);
    await joining;
    expect(append(log, "a", "1").offset).toBe(1);
  });

  test("that is read-only fails for good", async () => {
    const path = temporaryPath();
    const { log } = start({ path });
    append(log, "a", "1");
    await log[Symbol.asyncDispose]();
    const { log: other } = start({ database: open(path, true) });
    expect(payloads(other, "a")).toEqual(["1"]);
    const error = thrown(() => gather(other, "a", "2"));
    expect(error).toMatchObject({
      message: `${begins}it is read-only. Open it so that it can be written, and give the process the right to write`,
      lasting: true,
    });
  });

  test("whose header is damaged fails for good", () => {
    const path = temporaryPath();
    writeFileSync(path, "This is no database, and never was one. ".repeat(200));
    const { log } = start({ path });
    const error = thrown(() => gather(log, "a", "1"));
    expect(error).toMatchObject({ lasting: true });
    expect((error as Error).message).toMatch(`${begins}its file is damaged, or is not a database`);
    expect(thrown(() => log.read("a", {}))).toBe(error);
  });

  test("whose file was cut fails for good", async () => {
    const path = await leftFull();
    truncateSync(path, 40_960);
    const { log: next } = start({ path });
    const error = thrown(() => next.read("a", {}));
    expect(error).toMatchObject({ name: "LogError", lasting: true });
    expect((error as Error).message).toMatch(`${begins}its file is damaged`);
  });

  test("with a page of noise fails for good, and never answers with wrong entries", async () => {
    const path = await leftFull();
    const { size } = statSync(path);
    const file = openSync(path, "r+");
    for (let page = 20; page < size / 4_096; page++)
      writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, page * 4_096);
    closeSync(file);
    const { log: next } = start({ path });
    expect(thrown(() => next.read("a", {}))).toMatchObject({ name: "LogError", lasting: true });
  });

  test("that its owner has closed fails for good, and says in which order to close", async () => {
    const { log, database, clock } = start({ path: temporaryPath() });
    append(log, "a", "1");
    gather(log, "a", "2");
    database.close();
    const error = thrown(() => log.commit());
    expect(error).toBeInstanceOf(LogError);
    expect(error).toMatchObject({
      message: `${begins}it was closed. Dispose the log first, and close the database then`,
      lasting: true,
    });
    expect(thrown(() => gather(log, "a", "3"))).toBe(error);
    await log[Symbol.asyncDispose]();
    expect(clock.armed).toBe(0);
  });

  test("on whose connection somebody else has a transaction fails until that ends", () => {
    const { log, database } = start();
    append(log, "a", "1");
    gather(log, "a", "2");
    database.exec("BEGIN");
    expect(thrown(() => log.commit())).toMatchObject({
      message: `${begins}a transaction of others is open on its connection. Give the log a connection of its own`,
      lasting: false,
    });
    database.exec("COMMIT");
    log.commit();
    expect(payloads(log, "a")).toEqual(["1", "2"]);
  });

  test("without the tables that the log made fails for good", () => {
    const { log, database } = start();
    append(log, "a", "1");
    gather(log, "a", "2");
    database.exec("DROP TABLE tocsin_entries");
    expect(thrown(() => log.commit())).toMatchObject({ lasting: true });
  });

  test("in which entries are missing is read as failing, not as complete", () => {
    const { log, database } = start();
    fill(log, "a", 5);
    database.exec("DELETE FROM tocsin_entries WHERE id & 4294967295 = 3");
    expect(thrown(() => log.read("a", {}))).toMatchObject({
      message: 'Cannot read "a": 4 entries from 1 to 5 are in the table. Another process may have changed it',
      lasting: false,
    });
  });
});

plain.each([
  [{ errcode: 5 }, false, "locked"],
  [{ errcode: 517 }, false, "locked"],
  [{ code: "SQLITE_BUSY", errno: 5 }, false, "locked"],
  [{ code: "SQLITE_BUSY_SNAPSHOT" }, false, "locked"],
  [{ code: "SQLITE_LOCKED_SHAREDCACHE", errno: 262 }, false, "locked"],
  [{ errcode: 13 }, false, "disk is full"],
  [{ code: "SQLITE_FULL" }, false, "disk is full"],
  [{ errcode: 778 }, false, "disk reports an error"],
  [{ code: "SQLITE_IOERR_WRITE" }, false, "disk reports an error"],
  [{ code: "SQLITE_CANTOPEN" }, false, "cannot be opened"],
  [{ errcode: 14 }, false, "cannot be opened"],
  [{ errcode: 1032 }, true, "read-only"],
  [{ code: "SQLITE_READONLY_DBMOVED" }, true, "read-only"],
  [{ code: "SQLITE_CORRUPT_VTAB", errno: 267 }, true, "damaged"],
  [{ errcode: 26 }, true, "damaged"],
  [{ code: "SQLITE_NOTADB" }, true, "damaged"],
  [{ errcode: 1 }, true, "why it failed"],
  [{ code: "SQLITE_CONSTRAINT_UNIQUE" }, true, "why it failed"],
  [{ code: "ENOENT", errno: -2 }, true, "why it failed"],
])("what a driver says with %j is lasting: %s, and says %s", (members, lasting, words) => {
  const cause = Object.assign(new Error("why it failed"), members);
  const error = driverError(cause);
  expect(error).toMatchObject({ lasting, cause });
  expect(error.message).toContain(words);
});

plain.each([
  "database is not open",
  "Cannot use a closed database",
  "Database has closed",
  "statement has been finalized",
  "The database connection is not open",
])("a driver that says %j has been closed", (message) => {
  expect(driverError(new TypeError(message)).message).toContain("it was closed");
});

plain("what was thrown by the log itself stays as it is", () => {
  const error = new LogError("Cannot do this");
  expect(driverError(error)).toBe(error);
});
