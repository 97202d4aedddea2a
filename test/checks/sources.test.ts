import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { binary, root } from "../support/runtimes.ts";

/** Runs a command of `node_modules/.bin`, and returns what it printed if it failed. */
async function problemsOf(name: string, ...args: string[]): Promise<string> {
  const file = realpathSync(join(root, "node_modules/.bin", name));
  return promisify(execFile)(binary("node"), [file, ...args], { cwd: root, timeout: 55_000 }).then(
    () => "",
    ({ stdout, stderr }: { stdout: string; stderr: string }) => `${stdout}${stderr}` || "no output",
  );
}

test("Biome finds nothing", async () => {
  expect(await problemsOf("biome", "check", "--error-on-warnings", "--max-diagnostics=none")).toBe("");
});

test("sources, tests and examples pass the type check", async () => {
  expect(await problemsOf("tsc", "-p", "tsconfig.json")).toBe("");
});
