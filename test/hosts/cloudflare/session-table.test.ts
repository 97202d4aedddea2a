import { expect, test } from "vitest";
import { SessionTable } from "../../../src/hosts/cloudflare/session-table.ts";
import { objectPort } from "../../../src/stores/sqlite/object-port.ts";
import { standIn } from "../../support/object-storage.ts";
import { driver, open } from "../../support/sqlite.ts";

/** The tables of an object, and the table of its sessions as one life has it. */
function tables() {
  const storage = standIn(open());
  const life = (): SessionTable => new SessionTable(objectPort(storage));
  const rows = (): number => storage.sql.exec("SELECT id FROM tocsin_sessions").toArray().length;
  return { storage, life, rows };
}

if (typeof driver === "string") test.skip(`states of sessions in an object's storage: ${driver}`);
else {
  test("the next life has what one has put, and its last state only", () => {
    const { life, rows } = tables();
    life().put("a", "first");
    life().put("a", "second");
    life().put("b", "other");
    expect([life().get("a"), life().get("b"), rows()]).toEqual(["second", "other", 2]);
    life().delete("a");
    life().delete("nobody");
    expect([life().get("a"), life().get("b"), rows()]).toEqual(["", "other", 1]);
  });

  test("a long state is put into several rows, and a shorter one leaves none of them behind", () => {
    const { life, rows } = tables();
    const long = "x".repeat(1_000_001);
    life().put("a", long);
    expect([life().get("a") === long, rows()]).toEqual([true, 3]);
    life().put("a", "short");
    expect([life().get("a"), rows()]).toEqual(["short", 1]);
  });

  test("a character of two code units is never cut in two, wherever it is", () => {
    const { life, rows } = tables();
    for (const lead of ["", "x"]) {
      const text = `${lead}${"\u{1f514}".repeat(400_000)}`;
      life().put("a", text);
      expect([life().get("a") === text, rows()]).toEqual([true, 2]);
    }
  });

  test("what fails while a state is put leaves the one before", () => {
    const { storage, life } = tables();
    life().put("a", "first");
    storage.fault = (sql) => (sql.startsWith("INSERT") ? new Error("full: SQLITE_FULL") : undefined);
    expect(() => life().put("a", "second")).toThrow("is full");
    storage.fault = () => undefined;
    expect(life().get("a")).toBe("first");
  });

  test("a table that could not be created is created at the next use", () => {
    const { storage, life } = tables();
    const table = life();
    storage.fault = () => new Error("busy: SQLITE_BUSY");
    expect(() => table.get("a")).toThrow("it is locked");
    storage.fault = () => undefined;
    expect(table.get("a")).toBe("");
  });

  test("states of sessions that are gone are deleted", () => {
    const { life, rows } = tables();
    for (const id of ["a", "b", "c"]) life().put(id, id);
    life().retain(new Set(["b", "nobody"]));
    expect([life().get("b"), rows()]).toEqual(["b", 1]);
    life().retain(new Set());
    expect(rows()).toBe(0);
  });
}
