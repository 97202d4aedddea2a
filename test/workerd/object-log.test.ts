import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logSuite } from "tocsin/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runtime } from "../support/runtime.ts";
import { type Workerd, workerd } from "../support/workerd.ts";
import { killRounds } from "./kill-rounds.ts";

const name = "the log in the storage of an object, in workerd";
const entry = fileURLToPath(new URL("log-object.ts", import.meta.url));

if (runtime !== "node") test.skip(`${name} (workerd is the same, whoever starts it: Node does)`, () => {});
else describe(name, proveAll);

function proveAll(): void {
  let storage: string;
  let server: Workerd;

  beforeAll(async () => {
    storage = mkdtempSync(join(tmpdir(), "tocsin-storage-"));
    server = await workerd({ entry, objects: { OBJECT: "LogObject" }, storage });
  });

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(storage, { recursive: true });
  });

  const ask = async (path: string, query: Record<string, string | number>): Promise<unknown> => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) search.set(name, String(value));
    return (await fetch(`${server.url}${path}?${search}`)).json();
  };

  test.for([
    { each: 1, written: 1_066 },
    { each: 10, written: 160 },
    { each: 100, written: 30 },
  ])(
    "1 000 publications of 200 bytes in a channel, $each in a commit, write $written rows",
    async ({ each, written }) => {
      const object = `${each} in a commit`;
      await ask("/rows", { object, commits: 3_000 / each, each });
      expect(await ask("/rows", { object, commits: 1_000 / each, each })).toBe(written);
    },
  );

  test("a publication that fills a row is stored, and one byte more is refused by append", async () => {
    const object = "rows of 2 MB";
    const room = 2_000_000 - 32_768;
    expect(await ask("/fill", { object, length: room })).toMatchObject({ offset: 1 });
    expect(await ask("/fill", { object, length: room + 1 })).toMatchObject({
      name: "LogError",
      lasting: true,
    });
    expect(await ask("/fill", { object, length: 1 })).toMatchObject({ offset: 2 });
  });

  test("after deleteAll() the log says that its tables are gone", async () => {
    const object = "wiped";
    await ask("/append", { object, channel: "a", data: "1" });
    await ask("/wipe", { object });
    const message =
      "Cannot use the database of the log: its tables are gone. After deleteAll(), end the object with abort()";
    expect(await ask("/append", { object, channel: "a", data: "2" })).toMatchObject({
      message,
      lasting: true,
    });
  });

  // The suite only says here which cases there are. An object of its own proves each.
  const prove = (name: string) =>
    test(name, async () => {
      expect(await ask("/case", { object: name, name })).toBe("");
    });
  const make = () => {
    throw new Error("The cases are proved by objects");
  };
  logSuite(make, { describe, test: prove });

  test("what was acknowledged survives kills under load, without a hole and in one epoch", async () => {
    const folder = join(storage, "killed");
    const { acknowledged, kept, wrong } = await killRounds({ storage: folder, count: 3, seed: 1 });
    expect(wrong).toEqual([]);
    expect([acknowledged > 3, kept >= acknowledged]).toEqual([true, true]);
  });
}
