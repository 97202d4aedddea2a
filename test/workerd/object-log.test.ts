import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logSuite } from "tocsin/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runtime } from "../support/runtime.ts";
import { startWorkerd, type Workerd } from "./start-workerd.ts";

const why = runtime === "node" ? "" : " (workerd is the same, whoever starts it: Node does)";
const file = fileURLToPath(new URL("log-object.ts", import.meta.url));

describe.skipIf(why !== "")(`the log in the storage of an object, in workerd${why}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "tocsin-workerd-"));
  let workerd: Workerd;

  beforeAll(async () => {
    workerd = await startWorkerd({ file, className: "LogObject", directory });
  });

  afterAll(async () => {
    await workerd.end();
    rmSync(directory, { recursive: true });
  });

  // The suite only says here which cases there are. An object of its own proves each.
  const prove = (name: string) =>
    test(name, async () => {
      const query = new URLSearchParams({ object: name, name });
      const response = await fetch(`${workerd.url}/case?${query}`);
      expect(await response.json()).toBe("");
    });
  const make = () => {
    throw new Error("The cases are proved by objects");
  };
  logSuite(make, { describe, test: prove });
});
