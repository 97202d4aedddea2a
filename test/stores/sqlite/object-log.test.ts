import { describe, expect, test as plain } from "vitest";
import { ClosedError, LogError } from "../../../src/model/errors.ts";
import { storageError } from "../../../src/stores/sqlite/object-faults.ts";
import { createObjectLog } from "../../../src/stores/sqlite/object-log.ts";
import { objectPort } from "../../../src/stores/sqlite/object-port.ts";
import { standIn } from "../../support/object-storage.ts";
import { open, temporaryPath } from "../../support/sqlite.ts";
import { live, writes } from "./object-tools.ts";
import { append, count, gather, payloads, recorder, rejected, rows, test, thrown } from "./tools.ts";

const begins = "Cannot use the database of the log: ";
const full = () => new Error("database or disk is full: SQLITE_FULL");
const noSqlite =
  "Cannot use the storage of the object: it has no SQLite. Declare its class under new_sqlite_classes, and give it ctx.storage";

const inert = { sql: { exec: () => expect.unreachable(), databaseSize: 0 }, transactionSync: () => 0 };

plain("a log is created without any use of the storage", async () => {
  const log = createObjectLog(inert as never, { id: "1" });
  log.commit();
  await log[Symbol.asyncDispose]();
  expect(thrown(() => log.commit())).toBeInstanceOf(ClosedError);
});

plain.each([
  [{ id: "" }, 'Cannot use the id "" of an object: give it ctx.id.toString()', TypeError],
  [{ id: undefined }, 'Cannot use the id "undefined" of an object: give it ctx.id.toString()', TypeError],
  [{ id: "1", size: -1 }, 'Cannot use size "-1": it is not a number from 0 up', RangeError],
  [{ id: "1", totalBytes: "1" }, 'Cannot use totalBytes "1": it is not a number from 0 up', RangeError],
])("the options %o are refused: %s", (options, message, kind) => {
  expect(thrown(() => createObjectLog(inert as never, options as never))).toEqual(new kind(message));
});

plain("a storage without SQLite is refused, with what the platform says", () => {
  const cause = new Error("SQL is not enabled for this Durable Object class.");
  const storage = {
    get sql() {
      throw cause;
    },
  };
  for (const each of [storage, {}, undefined]) {
    const error = thrown(() => createObjectLog(each as never, { id: "1" }));
    expect(error).toEqual(new TypeError(noSqlite));
    expect((error as Error).cause).toBe(each === storage ? cause : undefined);
  }
});

describe("a life of an object", () => {
  test("owns the storage at once, though the one before has not left it", async () => {
    const first = live();
    await first.log.join(recorder());
    append(first.log, "a", "1");
    const second = live(first);
    expect(append(second.log, "a", "2")).toMatchObject({ offset: 2 });
    expect(payloads(second.log, "a")).toEqual(["1", "2"]);
  });

  test("inherits what the one before has held before join returns", async () => {
    const first = live();
    const membership = await first.log.join(recorder());
    const position = append(first.log, "run:1", "1", { hold: "one" });
    append(first.log, "run:2", "1", { hold: "two" });
    membership.release("two");
    first.log.commit();
    const second = live(first);
    const member = recorder();
    const joining = second.log.join(member);
    expect(member.records).toEqual([{ record: "one", channel: "run:1", position }]);
    const { id } = await joining;
    expect([id === membership.id, id.length > 12]).toEqual([false, true]);
  });

  test("sets no timer, whatever it does and however time goes by", async () => {
    const { log, clock } = live({ ttl: 60_000 });
    const membership = await log.join(recorder());
    const watch = log.watch("a", () => {});
    append(log, "a", "1", { hold: "record" });
    await clock.advance(100_000_000);
    append(log, "a", "2");
    log.renew();
    expect(clock.armed).toBe(0);
    await watch[Symbol.asyncDispose]();
    await membership[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
    expect(clock.armed).toBe(0);
  });

  test("trusts what it remembers for ever, and reads a channel from its tables once", async () => {
    const { log, storage, clock } = live({ ttl: Infinity });
    append(log, "a", "1");
    await clock.advance(100_000_000);
    const from = storage.statements.length;
    log.read("a", { limit: 0 });
    expect(storage.statements.slice(from)).toEqual([]);
  });

  test("writes nothing until something is committed, and then only that", async () => {
    const first = live();
    append(first.log, "a", "1");
    const { log, storage } = live(first);
    await log.join(recorder());
    log.read("a", {});
    gather(log, "a", "2");
    expect(writes(storage)).toEqual([]);
    log.commit();
    expect(writes(storage)).toEqual(["UPDATE tocsin_chunks"]);
    await log[Symbol.asyncDispose]();
    expect(writes(storage)).toEqual(["UPDATE tocsin_chunks"]);
  });

  test("has a member at a time, and another one after that has left", async () => {
    const { log } = live();
    const membership = await log.join(recorder());
    expect(await rejected(log.join(recorder()))).toBeInstanceOf(TypeError);
    await membership[Symbol.asyncDispose]();
    const next = await log.join(recorder());
    expect(next.id).not.toBe(membership.id);
    expect(append(log, "a", "1", { hold: "mine" }).offset).toBe(1);
  });

  test("rejects a join at once when the storage fails, and another one may succeed", async () => {
    const { log, storage, clock } = live();
    storage.fault = () => new Error("Internal error in Durable Object storage");
    const error = await rejected(log.join(recorder()));
    expect(error).toMatchObject({ name: "LogError", lasting: false });
    expect(clock.armed).toBe(0);
    storage.fault = () => undefined;
    await log.join(recorder());
    expect(append(log, "a", "1").offset).toBe(1);
  });

  test("keeps 1 000 channels in memory that nobody uses", () => {
    const { log } = live();
    for (let number = 0; number < 1_200; number++) log.read(`c${number}`, { limit: 0 });
    expect(log.bytes).toBe(1_000 * 1_536);
  });
});

describe("epochs", () => {
  const epochOf = (id: string) => append(live({ id }).log, "a", "1").epoch;

  test("begin with a digest of the object's id, so that two objects never have the same", () => {
    const [one, again, other] = ["object 1", "object 1", "object 2"].map(epochOf);
    expect(one?.slice(0, 13)).toBe(again?.slice(0, 13));
    expect(one?.slice(0, 13)).not.toBe(other?.slice(0, 13));
    expect(new Set([one, again, other]).size).toBe(3);
    expect(one).toMatch(/^[0-9a-z]{13}[0-9a-f]{12}[0-9a-z]\.[0-9a-z]{1,7}$/);
  });

  test("go on from life to life", () => {
    const first = live();
    const position = append(first.log, "a", "1");
    const unknown = first.log.read("b", {}).epoch;
    const { log } = live(first);
    expect(log.read("a", { after: position })).toMatchObject({ epoch: position.epoch, gapless: true });
    expect(log.read("b", {}).epoch).toBe(unknown);
  });

  test("end in a storage that was copied to another object, and positions up to the copy stay good", async () => {
    const first = live({ id: "one", database: open(temporaryPath()) });
    append(first.log, "a", "1");
    const path = temporaryPath();
    first.database.exec(`VACUUM INTO '${path}'`);
    const copy = live({ id: "two", database: open(path), clock: first.clock });
    const there = [append(first.log, "a", "2"), append(first.log, "b", "1")];
    const epoch = there[0]?.epoch ?? "";
    expect(copy.log.read("a", {})).toMatchObject({ top: 1, lineage: [{ offset: 1, epoch }] });
    const here = [append(copy.log, "a", "other"), append(copy.log, "b", "other")];
    for (const [at, position] of there.entries()) {
      expect(here[at]?.epoch).not.toBe(position.epoch);
      expect(copy.log.read(at === 0 ? "a" : "b", { after: position }).gapless).toBe(false);
    }
    expect(copy.log.read("a", { after: { offset: 1, epoch } })).toMatchObject({ gapless: true });
    const next = live({ id: "two", database: copy.database, clock: copy.clock });
    expect(next.log.read("a", {}).epoch).toBe(here[0]?.epoch);
  });

  test("end with renew, before the first use as well as later", () => {
    const first = live();
    const old = append(first.log, "a", "1");
    const { log } = live(first);
    log.renew();
    const renewed = log.read("a", {});
    expect(renewed).toMatchObject({ top: 1, lineage: [old] });
    expect(append(log, "a", "2")).toEqual({ offset: 2, epoch: renewed.epoch });
    let wakes = 0;
    log.watch("a", () => wakes++);
    gather(log, "a", "3");
    log.renew();
    expect([log.read("a", {}).epoch === renewed.epoch, wakes]).toEqual([false, 2]);
    expect(live(first).log.read("a", {})).toMatchObject({ top: 3, lineage: [{ offset: 3 }, old] });
  });
});

describe("a row holds 2 MB", () => {
  // 32 768 bytes of it are kept for what the log adds.
  const room = 2_000_000 - 32_768;

  test("a publication that fills it is written, and one byte more is refused by append for good", () => {
    const { log } = live();
    append(log, "a", "x".repeat(room));
    const error = thrown(() => gather(log, "a", "x".repeat(room + 1)));
    expect(error).toBeInstanceOf(LogError);
    expect(error).toMatchObject({
      message: `Cannot append to "a": it takes ${room + 1} bytes, and a row of the database holds ${room}. Publish a reference to it instead`,
      lasting: true,
    });
    expect(thrown(() => gather(log, "a", "漢".repeat(room / 3 + 1)))).toMatchObject({ lasting: true });
    append(log, "a", "1");
    expect(log.read("a", {}).entries.map(({ data }) => data.length)).toEqual([room, 1]);
  });

  test("tags count as they are written", () => {
    const { log } = live();
    append(log, "a", "1", { tags: { x: "y".repeat(room - 9) } });
    expect(thrown(() => gather(log, "a", "1", { tags: { x: "y".repeat(room - 8) } }))).toMatchObject({
      lasting: true,
    });
    expect(thrown(() => gather(log, "a", "1", { tags: { x: "\0".repeat(room / 5) } }))).toMatchObject({
      lasting: true,
    });
  });

  test("names, keys, writers and records count as they are written", async () => {
    const { log } = live();
    await log.join(recorder());
    const long = "\0".repeat(room / 6 + 1);
    const calls = [
      () => gather(log, long, "1"),
      () => gather(log, "a", "1", { key: { text: long, ttl: 1 } }),
      () => gather(log, "a", "1", { once: { by: long, n: 1 } }),
      () => gather(log, "a", "1", { hold: long }),
    ];
    for (const call of calls) expect(thrown(call)).toMatchObject({ name: "LogError", lasting: true });
    const fitting = "\0".repeat(Math.floor(room / 6) - 1);
    append(log, fitting, "1");
    append(log, "a", "1", { key: { text: fitting, ttl: 1 } });
    append(log, "a", "2", { hold: fitting });
    expect(append(log, "a", "3", { state: "\0".repeat(4_096) }).offset).toBe(3);
  });
});

describe("a commit that fails", () => {
  test.for(["COMMIT", "INSERT INTO tocsin_chunks", "INSERT INTO tocsin_channels", "UPDATE tocsin_chunks"])(
    "at %s writes nothing, wakes nobody and keeps what is gathered, and the next one writes it once",
    (place) => {
      const { log, storage, database } = live();
      append(log, "a", "1");
      const wakes: unknown[] = [];
      log.watch("a", (hint) => wakes.push(hint?.data));
      gather(log, "a", "2", { key: { text: "k", ttl: 60_000 } });
      gather(log, "b", "1");
      storage.fault = (sql) => (sql.startsWith(place) ? full() : undefined);
      for (let tries = 0; tries < 2; tries++) {
        expect(thrown(() => log.commit())).toMatchObject({
          message: `${begins}the storage of the object is full. Lower totalBytes, or delete what else the object stores`,
          lasting: false,
        });
        expect([payloads(log, "a"), count(database, "keys"), wakes]).toEqual([["1"], 0, []]);
      }
      storage.fault = () => undefined;
      log.commit();
      log.commit();
      expect([payloads(log, "a"), payloads(log, "b"), wakes]).toEqual([["1", "2"], ["1"], ["2"]]);
      expect(rows(database, "SELECT sum(count) AS sum FROM tocsin_chunks")).toEqual([{ sum: 3 }]);
    },
  );

  test("for good drops what is gathered, and every later call throws its error", async () => {
    const { log, storage } = live();
    append(log, "a", "1");
    gather(log, "a", "2");
    storage.fault = (sql) =>
      sql === "COMMIT"
        ? new Error("database disk image is malformed: SQLITE_CORRUPT (extended: SQLITE_CORRUPT_INDEX)")
        : undefined;
    const error = thrown(() => log.commit());
    expect(error).toMatchObject({ lasting: true });
    storage.fault = () => undefined;
    for (const call of [
      () => gather(log, "a", "3"),
      () => log.read("a", {}),
      () => log.commit(),
      () => log.renew(),
    ])
      expect(thrown(call)).toBe(error);
    await expect(log.join(recorder())).rejects.toBe(error);
  });

  test("because the tables are gone says so", () => {
    const { log, database } = live();
    append(log, "a", "1");
    for (const { name } of rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'"))
      database.exec(`DROP TABLE ${name}`);
    gather(log, "a", "2");
    expect(thrown(() => log.commit())).toMatchObject({
      message: `${begins}its tables are gone. After deleteAll(), end the object with abort()`,
      lasting: true,
    });
  });
});

test("a function that fails for one channel fails no other, in a commit and outside of it", async () => {
  const first = live({ ttl: 60_000 });
  append(first.log, "bad", "1");
  await first.clock.advance(120_000);
  const size = (channel: string): number => {
    if (channel === "bad") throw new Error("no idea");
    return 10;
  };
  const { log } = live({ ...first, size, ttl: 60_000 });
  expect(append(log, "good", "1").offset).toBe(1);
  expect(thrown(() => log.read("bad", {}))).toMatchObject({
    message: 'Cannot bound "bad": size() threw no idea',
    lasting: true,
  });
  expect(append(log, "good", "2").offset).toBe(2);
});

test("what fails in a transaction without the storage is thrown as it is, and does not break the log", () => {
  const port = objectPort(standIn(open()));
  const reason = new LogError("not of the storage", { lasting: true });
  const failed = thrown(() =>
    port.write(() => {
      port.rows("CREATE TABLE others (id)");
      throw reason;
    }),
  );
  expect([failed, port.broken]).toEqual([reason, undefined]);
  expect(port.write(() => port.rows("SELECT name FROM sqlite_master"))).toEqual([]);
});

plain.each([
  ["no such table: tocsin_log: SQLITE_ERROR", true, /its tables are gone/],
  ["no such table: users: SQLITE_ERROR", true, /SQLite refuses what the log asks for, no such table: users/],
  ["SQL is not enabled for this Durable Object class.", true, /Declare it under new_sqlite_classes/],
  ["not authorized: SQLITE_AUTH", true, /the platform refuses what the log does/],
  [
    "UNIQUE constraint failed: t.c: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)",
    true,
    /SQLite refuses/,
  ],
  [
    "disk I/O error: SQLITE_IOERR (extended: SQLITE_IOERR_WRITE)",
    false,
    /the storage of the object reports an error/,
  ],
  ["out of memory: SQLITE_NOMEM", false, /there is no memory left/],
  ["string or blob too big: SQLITE_TOOBIG", true, /SQLite refuses/],
  [
    "The Durable Object's code has been updated",
    false,
    /the platform reports an error, The Durable Object's/,
  ],
])("the storage's error %o is lasting: %s", (message, lasting, text) => {
  const cause = new Error(message);
  const error = storageError(cause);
  expect(error).toMatchObject({ name: "LogError", lasting, cause });
  expect(error.message).toMatch(text);
  expect(storageError(error)).toBe(error);
});
