import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { expect, test } from "vitest";
import { type Mutation, mutations } from "../mutations/list.ts";
import { root } from "../support/runtimes.ts";

/** Returns how often the replaced text of a mutation occurs in its file. */
function places({ file, from }: Mutation): number {
  return readFileSync(join(root, "src", file), "utf8").split(from).length - 1;
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

test("every mutated file still compiles: a syntax error would be caught by everything", () => {
  const broken = mutations.filter(({ file, from, to }) => {
    const text = readFileSync(join(root, "src", file), "utf8");
    try {
      transformSync(text.split(from).join(to), { loader: "ts", logLevel: "silent" });
      return false;
    } catch {
      return true;
    }
  });
  expect(broken.map(({ name }) => name)).toEqual([]);
});
