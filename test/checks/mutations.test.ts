import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Mutation, mutations } from "../mutations/list.ts";
import { root } from "../support/runtimes.ts";

/** How often what a mutation replaces stands in its file. */
function places({ file, from }: Mutation): number {
  return readFileSync(join(root, "src", file), "utf8").split(from).length - 1;
}

test("what each mutation replaces stands in its file exactly once", () => {
  const off = mutations.map((mutation) => ({ name: mutation.name, places: places(mutation) }));
  expect(off.filter(({ places }) => places !== 1)).toEqual([]);
});

test("every mutation changes something", () => {
  expect(mutations.filter(({ from, to }) => from === to)).toEqual([]);
});

test("every mutation has a name of its own", () => {
  const names = mutations.map(({ name }) => name);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});
