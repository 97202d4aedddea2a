import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./runtimes.ts";

/** The files of the command: they import each other, the client, what it shares with the server, and `node:`. */
const terminal = ["cli", "command", "watch", "view", "screen", "bar", "line", "cells"];

/** Files of `src` that may know a runtime, Hono or `node:`. Every other file is core. */
const outside = [
  "hono",
  "handlers",
  "handshake",
  "metrics",
  "tokens",
  "keys",
  "tickets",
  "node",
  "deno",
  "bun",
  "frame",
  "upgrade",
  "guard",
  "host",
  "testing",
  "pipe",
  "fake-clock",
  "log-suite",
  "log-suite-ends",
  "log-suite-entries",
  "log-suite-keeping",
  "log-suite-reads",
  "log-suite-repeats",
  "log-suite-tools",
  "log-suite-wakes",
  ...terminal,
];

const fileOf = (name: string): string => `./${name}.ts`;

/** Files that may import nothing but these. */
const imports: Record<string, string[]> = {
  protocol: [],
  bytes: [],
  events: [],
  vocabulary: ["./agent-event.ts", "./events.ts", "./run.ts"],
  memory: ["linked", "kept", "bounds", "repeats", "bytes", "log", "errors", "clock"].map(fileOf),
  kept: ["block", "few", "linked", "log", "repeats"].map(fileOf),
  block: ["kept", "linked", "log"].map(fileOf),
  bounds: ["errors", "log"].map(fileOf),
  repeats: ["bounds", "bytes", "heap", "kept", "log"].map(fileOf),
  heap: [],
};

/** The files of the client, which a browser loads: they import each other, and what both sides share. */
const client = [
  "awake",
  "client",
  "client-input",
  "client-socket",
  "feed",
  "link",
  "linked-run",
  "reply",
  "waiting",
];
const shared = [
  "clock",
  "errors",
  "events",
  "log",
  "printable",
  "publication",
  "run",
  "scope",
  "url",
  "vocabulary",
];

/** What only some files of `src` may say. */
const reserved: { what: string; pattern: RegExp; allowed: string[] }[] = [
  { what: "listens to an abort", pattern: /addEventListener\(\s*["'`]abort/, allowed: ["scope", "clock"] },
  { what: "uses AbortSignal.any", pattern: /AbortSignal\s*\.\s*any\b/, allowed: [] },
  { what: "uses AbortSignal.timeout", pattern: /AbortSignal\s*\.\s*timeout\b/, allowed: [] },
  { what: "uses Promise.race", pattern: /Promise\s*\.\s*race\b/, allowed: [] },
  { what: "sets a timer", pattern: /\bset(Timeout|Interval|Immediate)\b/, allowed: ["clock"] },
];

const runtimeGlobal = /\b(process|Deno|Bun|Buffer)\s*(\.|\?\.|\[)/;
const foreign = /^(node:|npm:|jsr:|bun:?|hono\b|@hono\/|ws\b)/;
const exit = /\b(process|Deno)\s*\.\s*exit\b/;
const longest = 350;

const names = readdirSync(join(root, "src")).map((file) => file.replace(/\.ts$/, ""));
const core = names.filter((name) => !outside.includes(name));

test("the code that is searched has lost its comments and kept its strings", () => {
  expect(withoutComments('a("//b"); // c\n/* d */ e(`/*f*/`);')).toBe('a("//b");  \n  e(`/*f*/`);');
});

test("import specifiers are found in every form", () => {
  const code =
    'import a from "1"; import {\n b } from "2"; export * from "3"; import "4"; await import("5");';
  expect(specifiers(code)).toEqual(["1", "2", "3", "4", "5"]);
});

test.each(Object.entries(imports))("%s.ts imports only %j", (name, allowed) => {
  expect(importsOf(name).filter((specifier) => !allowed.includes(specifier))).toEqual([]);
});

test("the client imports nothing of the server", () => {
  const allowed = [...client, ...shared].map((name) => `./${name}.ts`);
  const imported = (name: string) => importsOf(name).filter((specifier) => !allowed.includes(specifier));
  expect(client.flatMap(imported)).toEqual([]);
  // What is shared must not bring the server along either.
  const runtime = shared.filter((name) => name !== "vocabulary").flatMap(imported);
  expect(runtime).toEqual([]);
});

test("the command imports nothing of the server", () => {
  const allowed = [...terminal, "client", ...shared, "version"].map((name) => `./${name}.ts`);
  const isOwn = (specifier: string) => /^(node:\w+|ws)$/.test(specifier) || allowed.includes(specifier);
  expect(terminal.flatMap((name) => importsOf(name).filter((it) => !isOwn(it)))).toEqual([]);
  expect(terminal.filter((name) => importsOf(name).includes("ws"))).toEqual(["cli"]);
});

test("the core imports no runtime, no Hono and no ws", () => {
  expect(core.flatMap((name) => importsOf(name).filter((it) => foreign.test(it)))).toEqual([]);
});

test("the core imports nothing from outside of the core", () => {
  const entries = outside.map((name) => `./${name}.ts`);
  expect(core.flatMap((name) => importsOf(name).filter((it) => entries.includes(it)))).toEqual([]);
});

test("the core names no global of one runtime", () => {
  expect(core.filter((name) => runtimeGlobal.test(code(name)))).toEqual([]);
});

test.each(reserved)("only $allowed $what", ({ pattern, allowed }) => {
  expect(names.filter((name) => !allowed.includes(name) && pattern.test(code(name)))).toEqual([]);
});

test("nobody imports testing.ts", () => {
  expect(names.filter((name) => importsOf(name).includes("./testing.ts"))).toEqual([]);
});

test("Hono is used through its public entries only", () => {
  const { exports } = JSON.parse(readFileSync(join(root, "node_modules/hono/package.json"), "utf8"));
  const used = names.flatMap(importsOf).filter((specifier) => /^hono(\/|$)/.test(specifier));
  expect(used.filter((specifier) => !(specifier.replace("hono", ".") in exports))).toEqual([]);
});

test("sources import each other by file name, and packages by bare name", () => {
  const strange = (specifier: string) =>
    !/^(\.\/[a-z-]+\.ts|node:[\w/]+|bun|hono(\/[\w-]+)*|@hono\/[\w-]+|ws)$/.test(specifier);
  expect(names.flatMap((name) => importsOf(name).filter(strange))).toEqual([]);
});

test("nothing forces the process to end", () => {
  const files = ["src", "test", "examples"].flatMap(sourcesUnder);
  expect(files.filter((file) => exit.test(withoutComments(readFileSync(join(root, file), "utf8"))))).toEqual(
    [],
  );
});

test(`every source file is shorter than ${longest} lines`, () => {
  expect(names.filter((name) => source(name).split("\n").length > longest)).toEqual([]);
});

function source(name: string): string {
  return readFileSync(join(root, "src", `${name}.ts`), "utf8");
}

function code(name: string): string {
  return withoutComments(source(name));
}

function importsOf(name: string): string[] {
  return specifiers(code(name));
}

function withoutComments(text: string): string {
  const stringOrComment =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(stringOrComment, (found) => (found.startsWith("/") ? " " : found));
}

function specifiers(text: string): string[] {
  const found = text.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g);
  return [...found].map((match) => match[1] ?? "");
}

function sourcesUnder(directory: string): string[] {
  const entries = readdirSync(join(root, directory), { recursive: true, encoding: "utf8" });
  return entries.filter((file) => /\.[cm]?[jt]sx?$/.test(file)).map((file) => join(directory, file));
}
