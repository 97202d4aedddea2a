import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/runtimes.ts";
import { floors, readSources } from "./house.ts";

const page = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
const sources = readSources();
const exported = new Set(
  sources.flatMap(({ code }) =>
    Array.from(
      code.matchAll(/^export (?:abstract )?(?:async )?(?:function\*?|class|const|interface|type) (\w+)/gm),
      ([, name = ""]) => name,
    ),
  ),
);
const files = new Set(sources.map(({ path }) => basename(path, ".ts")));

/** Returns the cells of the table under a heading, row by row, without the header. */
function tableUnder(heading: string): string[][] {
  const part = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const rows = part.split("\n").filter((line) => line.startsWith("|"));
  return rows.slice(2).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const named = (cell: string | undefined): string => /^`(\w+)`$/.exec(cell ?? "")?.[1] ?? "";
const kebab = (name: string): string =>
  name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

test("the table of rooms equals the one that test/checks/walls.test.ts uses", () => {
  const rows = tableUnder("The rooms").map(([, rooms = ""]) =>
    rooms.split(", ").map((room) => room.replaceAll("`", "")),
  );
  expect(rows).toEqual(floors);
});

test("each word of the glossary names something in the code, and no word that it replaces does", () => {
  const words = tableUnder("Words");
  expect(words.length).toBeGreaterThan(20);
  const rows = words.map(([word, , name, not]) => ({ word, name: named(name), not: named(not) }));
  expect(rows.filter(({ name, not }) => name === "" || not === "")).toEqual([]);
  expect(rows.filter(({ name }) => !exported.has(name) && !files.has(kebab(name)))).toEqual([]);
  expect(rows.filter(({ not }) => exported.has(not) || files.has(kebab(not)))).toEqual([]);
});

test("every file that the page names exists", () => {
  const paths = Array.from(page.matchAll(/`([\w/-]+\/[\w.-]+\.(?:ts|md))`/g), ([, path = ""]) => path);
  expect(paths.length).toBeGreaterThan(20);
  const known = new Set(sources.map(({ path }) => path));
  const exists = (path: string): boolean => {
    try {
      return known.has(path) || readFileSync(join(root, path)).length > 0;
    } catch {
      return false;
    }
  };
  expect(paths.filter((path) => !exists(path))).toEqual([]);
});
