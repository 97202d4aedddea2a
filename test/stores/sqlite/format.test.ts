import { expect } from "vitest";
import { databasePort } from "../../../src/stores/sqlite/database.ts";
import { type FormatStep, migrate } from "../../../src/stores/sqlite/format.ts";
import { open, temporaryPath } from "../../support/sqlite.ts";
import { append, payloads, restart, rows, start, test, thrown } from "./tools.ts";

/** Brings a database to the format of some steps, and records which of them run. */
function migrated(
  database: ReturnType<typeof open>,
  steps: readonly FormatStep[],
  demandFree = (): void => {},
) {
  migrate({ port: databasePort(database), fresh: () => "epoch", demandFree, steps });
}

const create: FormatStep = (port) => {
  port.rows("CREATE TABLE tocsin_format (version INTEGER NOT NULL)");
  port.rows("INSERT INTO tocsin_format (version) VALUES (0)");
};

test("a database gets the tables of the log, all with names of its own", () => {
  const { log, database } = start();
  log.read("a", {});
  const tables = rows(database, "SELECT name FROM sqlite_master WHERE name NOT LIKE 'tocsin~_%' ESCAPE '~'");
  expect(tables.filter(({ name }) => !String(name).startsWith("sqlite_autoindex_tocsin_"))).toEqual([]);
  expect(rows(database, "SELECT version FROM tocsin_format")).toEqual([{ version: 1 }]);
});

test("an older format is brought to the newest, step by step, each step once", () => {
  const database = open();
  const ran: number[] = [];
  const steps: FormatStep[] = [
    (port, fresh) => {
      create(port, fresh);
      ran.push(1);
    },
    () => ran.push(2),
    () => ran.push(3),
  ];
  migrated(database, steps.slice(0, 1));
  expect(ran).toEqual([1]);
  migrated(database, steps);
  migrated(database, steps);
  expect(ran).toEqual([1, 2, 3]);
  expect(rows(database, "SELECT version FROM tocsin_format")).toEqual([{ version: 3 }]);
});

test("if a step fails, no step was made", () => {
  const database = open();
  migrated(database, [create]);
  const failing: FormatStep = () => {
    throw new Error("no");
  };
  const second: FormatStep = (port) => port.rows("CREATE TABLE tocsin_second (id)") as never;
  expect(() => migrated(database, [create, second, failing])).toThrow("no");
  expect(rows(database, "SELECT version FROM tocsin_format")).toEqual([{ version: 1 }]);
  expect(rows(database, "SELECT name FROM sqlite_master WHERE name = 'tocsin_second'")).toEqual([]);
});

test("an older format is not changed while another process owns the database", () => {
  const database = open();
  migrated(database, [create]);
  const taken = () => {
    throw new Error("taken");
  };
  migrated(database, [create], taken);
  expect(() => migrated(database, [create, () => {}], taken)).toThrow("taken");
});

test("a newer format is refused for good, and left as it is", async () => {
  const path = temporaryPath();
  const first = start({ path });
  append(first.log, "a", "1");
  first.database.exec("UPDATE tocsin_format SET version = 7");
  const second = await restart(first, { path });
  for (const call of [() => append(second.log, "a", "2"), () => second.log.read("a", {})]) {
    expect(thrown(call)).toMatchObject({
      message:
        "Cannot use the database of the log: its format 7 is newer than format 1, which this version of tocsin knows. Install a newer version",
      lasting: true,
    });
  }
  second.database.exec("UPDATE tocsin_format SET version = 1");
  expect(payloads(second.log, "a")).toEqual(["1"]);
});
