import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../support/runtimes.ts";
import {
  arrowsFrom,
  circlesIn,
  floors,
  longestIn,
  mayImport,
  readSources,
  roomOf,
  type Source,
  specifiers,
  withoutComments,
} from "./house.ts";

const sources = readSources();
const arrows = new Map(sources.map((source) => [source.path, arrowsFrom(source)]));
const rooms = floors.flat();

/** Entries that hold code: the command is a program. */
const programs = ["cli.ts"];
/** Rooms that a browser loads, and what they may have of others. */
const browser = ["client", "base", "model"];
/** Rooms that know no runtime and no Hono. */
const neutral = rooms.filter((room) => /^(engine|client|wire|stores|agent|base|model)/.test(room));

/** What only some files of `src` may say. */
const reserved: { what: string; pattern: RegExp; allowed: string[] }[] = [
  {
    what: "listens to an abort",
    pattern: /addEventListener\(\s*["'`]abort/,
    allowed: ["base/scope.ts", "base/clock.ts"],
  },
  { what: "uses AbortSignal.any", pattern: /AbortSignal\s*\.\s*any\b/, allowed: [] },
  { what: "uses AbortSignal.timeout", pattern: /AbortSignal\s*\.\s*timeout\b/, allowed: [] },
  { what: "uses Promise.race", pattern: /Promise\s*\.\s*race\b/, allowed: [] },
  { what: "sets a timer", pattern: /\bset(Timeout|Interval|Immediate)\b/, allowed: ["base/clock.ts"] },
];

const runtimeGlobal = /\b(process|Deno|Bun|Buffer)\s*(\.|\?\.|\[)/;
const foreign = /^(node:|npm:|jsr:|bun:?|hono\b|@hono\/|ws\b)/;
const exit = /\b(process|Deno)\s*\.\s*exit\b/;
/** Lines of a file, of a function and of a class. */
const longest = { file: 350, function: 60, class: 330 };
/** Factories that return an object of closures; those of the client would take more bytes as classes. */
const closures = [
  "client/feed.ts: createFeed",
  "client/link.ts: createLink",
  "client/run.ts: createRun",
  "testing/pipe.ts: pipe",
];

test("the code that is searched has lost its comments and kept its strings", () => {
  expect(withoutComments('a("//b"); // c\n/* d */ e(`/*f*/`);')).toBe('a("//b");  \n  e(`/*f*/`);');
});

test("import specifiers are found in every form", () => {
  const code =
    'import a from "1"; import {\n b } from "2"; export * from "3"; import "4"; await import("5");';
  expect(specifiers(code)).toEqual(["1", "2", "3", "4", "5"]);
});

test("circles are found, also through others", () => {
  const arrows = new Map([
    ["a", ["b"]],
    ["b", ["c"]],
    ["c", ["b", "d"]],
    ["d", []],
  ]);
  expect(circlesIn(arrows)).toEqual([["b", "c"]]);
});

test("a room imports from lower floors only, and not from its neighbours", () => {
  expect(mayImport("hosts", "engine/notifier")).toBe(true);
  expect(mayImport("engine/sessions", "engine/channels")).toBe(false);
  expect(mayImport("model", "base")).toBe(false);
  expect(mayImport("base", "nowhere")).toBe(false);
});

test("every file stands in a room of the table, and every room of it has files", () => {
  const found = new Set(sources.map(({ path }) => roomOf(path)));
  found.delete("");
  expect([...found].sort()).toEqual([...rooms].sort());
});

test("no file imports from a floor above its own, or from a room beside it", () => {
  const back = sources.flatMap((source) =>
    arrowsFrom(source)
      .filter((to) => !mayImport(roomOf(source.path), roomOf(to)))
      .map((to) => `${source.path} imports ${to}`),
  );
  expect(back).toEqual([]);
});

test("no files import each other, types included, directly or through others", () => {
  expect(circlesIn(arrows)).toEqual([]);
});

test("nobody imports an entry", () => {
  const importers = sources.flatMap((source) =>
    arrowsFrom(source)
      .filter((to) => roomOf(to) === "")
      .map((to) => `${source.path} imports ${to}`),
  );
  expect(importers).toEqual([]);
});

test("entries are tables of contents, and hold no code", () => {
  const entries = sources.filter(({ path }) => roomOf(path) === "" && !programs.includes(path));
  const rest = entries.map(({ path, code }) => [
    path,
    code.replace(/\bexport (type )?\{[^}]*\} from "[^"]+";/g, "").trim(),
  ]);
  expect(rest.filter(([, code]) => code !== "")).toEqual([]);
});

test("what a browser loads imports nothing of the server", () => {
  const files = sources.filter(({ path }) => roomOf(path) === "client");
  const outside = files.flatMap((source) => arrowsFrom(source).filter((to) => !browser.includes(roomOf(to))));
  expect(outside).toEqual([]);
});

test("stores import the log's port, errors and base only", () => {
  const allowed = (to: string) =>
    ["stores", "base"].includes(roomOf(to)) || ["model/log.ts", "model/errors.ts"].includes(to);
  const files = sources.filter(({ path }) => roomOf(path) === "stores");
  expect(files.flatMap((source) => arrowsFrom(source).filter((to) => !allowed(to)))).toEqual([]);
});

test("the command imports the client, and nothing of the server", () => {
  const allowed = ["terminal", "client", "base", "model"];
  const files = sources.filter(({ path }) => roomOf(path) === "terminal" || path === "cli.ts");
  expect(files.flatMap((source) => arrowsFrom(source).filter((to) => !allowed.includes(roomOf(to))))).toEqual(
    [],
  );
});

test("only hosts, the command and what checks tokens know a runtime, Hono or ws", () => {
  const files = sources.filter(({ path }) => neutral.includes(roomOf(path)));
  expect(
    files.flatMap(({ path, imports }) => imports.filter((it) => foreign.test(it)).map((it) => [path, it])),
  ).toEqual([]);
  expect(files.filter(({ code }) => runtimeGlobal.test(code)).map(({ path }) => path)).toEqual([]);
});

test.each(reserved)("only $allowed $what", ({ pattern, allowed }) => {
  const found = sources.filter(({ path, code }) => !allowed.includes(path) && pattern.test(code));
  expect(found.map(({ path }) => path)).toEqual([]);
});

test("Hono is used through its public entries only", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "node_modules/hono/package.json"), "utf8"));
  const used = sources.flatMap(({ imports }) => imports).filter((specifier) => /^hono(\/|$)/.test(specifier));
  expect(used.filter((specifier) => !(specifier.replace("hono", ".") in exports))).toEqual([]);
});

test("sources import each other by file name, and packages by bare name", () => {
  const strange = (specifier: string) =>
    !/^((\.\/|(\.\.\/)+)[a-z/-]+\.ts|node:[\w/]+|bun|hono(\/[\w-]+)*|@hono\/[\w-]+|ws)$/.test(specifier);
  expect(sources.flatMap(({ imports }) => imports.filter(strange))).toEqual([]);
});

test("nothing forces the process to end", () => {
  const files = ["src", "test", "examples"].flatMap(filesUnder);
  expect(files.filter((file) => exit.test(withoutComments(readFileSync(join(root, file), "utf8"))))).toEqual(
    [],
  );
});

test(`no file is over ${longest.file} lines, no function over ${longest.function}, no class over ${longest.class}`, () => {
  expect(
    sources.filter(({ text }) => text.split("\n").length > longest.file).map(({ path }) => path),
  ).toEqual([]);
  const over = (kind: "function" | "class") => (source: Source) => {
    const { lines, name } = longestIn(source)[kind];
    return lines > longest[kind] && !closures.includes(name) ? [`${name}: ${lines} lines`] : [];
  };
  expect([...sources.flatMap(over("function")), ...sources.flatMap(over("class"))]).toEqual([]);
});

function filesUnder(directory: string): string[] {
  const entries = readdirSync(join(root, directory), { recursive: true, encoding: "utf8" });
  return entries.filter((file) => /\.[cm]?[jt]sx?$/.test(file)).map((file) => join(directory, file));
}
