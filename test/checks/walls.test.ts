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

/** Entries that contain code. The command is a program. */
const programs = ["cli.ts"];
/** The rooms from which the client may import, because a browser loads it. */
const browser = ["client", "base", "model"];
/** Rooms that must not depend on a runtime or on Hono. */
const neutral = rooms.filter((room) => /^(engine|client|wire|stores|agent|base|model)/.test(room));

/** Code that only some files of `src` may contain. */
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
const foreign = /^(node:|npm:|jsr:|cloudflare:|bun:?|hono\b|@hono\/|ws\b)/;
const exit = /\b(process|Deno)\s*\.\s*exit\b/;
/** The maximum number of lines of a file, of a function and of a class. */
const longest = { file: 350, function: 60, class: 330 };
/**
 * Factories that return an object of closures, and may be longer. As classes, those of the client would take more
 * bytes.
 */
const closures = [
  "client/feed.ts: createFeed",
  "client/link.ts: createLink",
  "client/run.ts: createRun",
  "testing/pipe.ts: pipe",
];

test("comments are removed from the searched code, and strings are kept", () => {
  expect(withoutComments('a("//b"); // c\n/* d */ e(`/*f*/`);')).toBe('a("//b");  \n  e(`/*f*/`);');
});

test("import specifiers are found in every form", () => {
  const code =
    'import a from "1"; import {\n b } from "2"; export * from "3"; import "4"; await import("5");';
  expect(specifiers(code)).toEqual(["1", "2", "3", "4", "5"]);
});

test("import cycles are found, also through other files", () => {
  const arrows = new Map([
    ["a", ["b"]],
    ["b", ["c"]],
    ["c", ["b", "d"]],
    ["d", []],
  ]);
  expect(circlesIn(arrows)).toEqual([["b", "c"]]);
});

test("a room may import from lower floors only, and not from rooms of its own floor", () => {
  expect(mayImport("hosts", "engine/notifier")).toBe(true);
  expect(mayImport("engine/sessions", "engine/channels")).toBe(false);
  expect(mayImport("model", "base")).toBe(false);
  expect(mayImport("base", "nowhere")).toBe(false);
});

test("every file is in a room of the table, and every room of the table has files", () => {
  const found = new Set(sources.map(({ path }) => roomOf(path)));
  found.delete("");
  expect([...found].sort()).toEqual([...rooms].sort());
});

test("no file imports from a higher floor, or from another room of its own floor", () => {
  const back = sources.flatMap((source) =>
    arrowsFrom(source)
      .filter((to) => !mayImport(roomOf(source.path), roomOf(to)))
      .map((to) => `${source.path} imports ${to}`),
  );
  expect(back).toEqual([]);
});

test("there are no import cycles, including imports of types", () => {
  expect(circlesIn(arrows)).toEqual([]);
});

test("no file imports an entry", () => {
  const importers = sources.flatMap((source) =>
    arrowsFrom(source)
      .filter((to) => roomOf(to) === "")
      .map((to) => `${source.path} imports ${to}`),
  );
  expect(importers).toEqual([]);
});

test("entries contain only exports, and no code", () => {
  const entries = sources.filter(({ path }) => roomOf(path) === "" && !programs.includes(path));
  const rest = entries.map(({ path, code }) => [
    path,
    code.replace(/\bexport (type )?\{[^}]*\} from "[^"]+";/g, "").trim(),
  ]);
  expect(rest.filter(([, code]) => code !== "")).toEqual([]);
});

test("the client imports nothing of the server", () => {
  const files = sources.filter(({ path }) => roomOf(path) === "client");
  const outside = files.flatMap((source) => arrowsFrom(source).filter((to) => !browser.includes(roomOf(to))));
  expect(outside).toEqual([]);
});

test("stores import the log's port, errors and base only", () => {
  const allowed = (to: string) =>
    ["stores", "stores/sqlite", "stores/redis", "base"].includes(roomOf(to)) ||
    ["model/log.ts", "model/errors.ts"].includes(to);
  const files = sources.filter(({ path }) => /^stores\b/.test(roomOf(path)));
  expect(files.flatMap((source) => arrowsFrom(source).filter((to) => !allowed(to)))).toEqual([]);
});

test("the command imports the client, the log in a file and what its channels say of runs, and nothing else of the server", () => {
  const allowed = ["terminal", "client", "stores/sqlite", "base", "model"];
  const isAllowed = (to: string) => allowed.includes(roomOf(to)) || to === "engine/runs/run-state.ts";
  const files = sources.filter(({ path }) => roomOf(path) === "terminal" || path === "cli.ts");
  expect(files.flatMap((source) => arrowsFrom(source).filter((to) => !isAllowed(to)))).toEqual([]);
});

test("of the hosts, only the object of Cloudflare imports a store: the others are given a log by their user", () => {
  const files = sources.filter(({ path }) => /^hosts\b/.test(roomOf(path)));
  const importers = files.filter((source) => arrowsFrom(source).some((to) => /^stores\b/.test(roomOf(to))));
  expect([...new Set(importers.map(({ path }) => roomOf(path)))]).toEqual(["hosts/cloudflare"]);
});

test("only the object of Cloudflare imports a module that no other runtime has", () => {
  const importers = sources.filter(({ imports }) => imports.some((it) => it.startsWith("cloudflare:")));
  expect(importers.map(({ path }) => path)).toEqual(["hosts/cloudflare/notifier-object.ts"]);
});

test("only the hosts, the command and the token checks depend on a runtime, Hono or ws", () => {
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
    !/^((\.\/|(\.\.\/)+)[a-z/-]+\.ts|node:[\w/]+|cloudflare:workers|bun|hono(\/[\w-]+)*|@hono\/[\w-]+|ws)$/.test(
      specifier,
    );
  expect(sources.flatMap(({ imports }) => imports.filter(strange))).toEqual([]);
});

test("no code forces the process to end", () => {
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
