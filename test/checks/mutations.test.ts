import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { type Mutation, mutations } from "../mutations/list.ts";
import { binary, root } from "../support/runtimes.ts";

/** Inside the project, so that its packages resolve. */
mkdirSync(join(root, ".cache"), { recursive: true });
const temporary = mkdtempSync(join(root, ".cache/mutations-"));
afterAll(() => rmSync(temporary, { recursive: true }));

/** Returns how often the replaced text of a mutation occurs in its file. */
function places({ file, from }: Mutation): number {
  return readFileSync(join(root, "src", file), "utf8").split(from).length - 1;
}

/**
 * Type-checks all mutated files at once, each beside the original. Returns the errors that would make a mutant fail
 * wherever it is run: of syntax, and of names that do not exist. Wrong types are allowed: a fault may have them.
 */
async function senseless(mutants: readonly Mutation[]): Promise<string[]> {
  const directory = mkdtempSync(join(temporary, "all-"));
  cpSync(join(root, "src"), join(directory, "src"), { recursive: true });
  for (const [at, { file, from, to }] of mutants.entries()) {
    const text = readFileSync(join(root, "src", file), "utf8");
    writeFileSync(
      join(directory, "src", file.replace(/\.ts$/, `.mutant${at}.ts`)),
      text.split(from).join(to),
    );
  }
  const paths = { tocsin: ["./src/mod.ts"], "tocsin/*": ["./src/*.ts"] };
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions: { paths }, include: ["src"] }),
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const { stdout } = await promisify(execFile)(binary("node"), [tsc, "--pretty", "false"], {
    cwd: directory,
    maxBuffer: 64_000_000,
  }).catch((error: { stdout?: string }) => {
    if (typeof error.stdout !== "string") throw error;
    return { stdout: error.stdout };
  });
  const errors = stdout.matchAll(
    /\.mutant(\d+)\.ts\(.*error TS(?:1\d{3}|2304|2339|2551|2552|18004|18016): (.*)/g,
  );
  return Array.from(errors, ([, at, error]) => `${mutants[Number(at)]?.name}: ${error}`);
}

test("the text that a mutation replaces occurs exactly once in its file", () => {
  const off = mutations.map((mutation) => ({ name: mutation.name, places: places(mutation) }));
  expect(off.filter(({ places }) => places !== 1)).toEqual([]);
});

test("every mutation changes something", () => {
  expect(mutations.filter(({ from, to }) => from === to)).toEqual([]);
});

test("the names of mutations are unique", () => {
  const names = mutations.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

test("every mutated file compiles and uses only names that exist: other faults are caught by everything", async () => {
  const file = "base/url.ts";
  const text = readFileSync(join(root, "src", file), "utf8");
  const from = text.slice(text.indexOf("export"));
  const name = "not a fault";
  expect(await senseless([{ name, file, from, to: "export const half = (" }])).not.toEqual([]);
  expect(await senseless([{ name, file, from, to: "export const half = nowhere;" }])).toEqual([
    "not a fault: Cannot find name 'nowhere'.",
  ]);
  expect(await senseless(mutations)).toEqual([]);
});
