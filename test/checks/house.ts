import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseAst } from "vite";
import { root } from "../support/runtimes.ts";

/**
 * The rooms of `src`, the highest floor first. A room is a folder. Files of a room import only from their own room and
 * from floors below. Entries are the files directly in `src`, and no file imports them.
 */
export const floors: readonly (readonly string[])[] = [
  ["hosts/cloudflare"],
  ["hosts", "testing", "terminal"],
  ["engine/notifier"],
  ["engine/commands"],
  ["engine/hub"],
  ["engine/sessions", "engine/channels", "engine/runs"],
  ["engine/delivery"],
  ["engine/nodes"],
  ["engine/core"],
  ["engine/log"],
  ["client"],
  ["wire"],
  ["stores/sqlite", "stores/redis"],
  ["stores"],
  ["access"],
  ["agent"],
  ["base"],
  ["model"],
];

/** A file of `src`. */
export interface Source {
  /** The path relative to `src`. */
  readonly path: string;
  readonly text: string;
  /** The text without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

/** Reads all files of `src`. */
export function readSources(): Source[] {
  const paths = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  return paths
    .filter((path) => path.endsWith(".ts"))
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, "src", path), "utf8");
      const code = withoutComments(text);
      return { path, text, code, imports: specifiers(code) };
    });
}

/** Returns the folder of a file. Returns `""` for an entry. */
export function roomOf(path: string): string {
  const folder = dirname(path);
  return folder === "." ? "" : folder;
}

/** Returns the files of `src` that a file imports, including imports of types. */
export function arrowsFrom({ path, imports }: Source): string[] {
  return imports.filter((each) => each.startsWith(".")).map((each) => join(dirname(path), each));
}

/** Returns whether a room may import from another one. */
export function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (from === "") return true;
  const [above, below] = [from, to].map((room) => floors.findIndex((floor) => floor.includes(room)));
  return (above as number) < (below as number) && above !== -1;
}

/** Returns the import cycles: for each one, the files that import each other, directly or through other files. */
export function circlesIn(arrows: ReadonlyMap<string, readonly string[]>): string[][] {
  const circles: string[][] = [];
  const [order, lowest] = [new Map<string, number>(), new Map<string, number>()];
  const stack: string[] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file) as number);
    stack.push(file);
    for (const next of arrows.get(file) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next))
        lowest.set(file, Math.min(lowest.get(file) as number, lowest.get(next) as number));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const file of arrows.keys()) if (!order.has(file)) visit(file);
  return circles;
}

/** Returns the longest function and the longest class of a file, with their numbers of lines. */
export function longestIn({ path, text }: Source): { function: Length; class: Length } {
  const longest = { function: { lines: 0, name: "" }, class: { lines: 0, name: "" } };
  const lineOf = (at: number): number => text.slice(0, at).split("\n").length;
  const look = (node: unknown, name: string): void => {
    if (Array.isArray(node)) for (const each of node) look(each, name);
    if (typeof node !== "object" || node === null || Array.isArray(node)) return;
    const { type, start, end, id, key } = node as Node;
    const own = id?.name ?? key?.name ?? name;
    const kind = kinds[type ?? ""];
    if (kind !== undefined) {
      const lines = lineOf(end) - lineOf(start) + 1;
      if (lines > longest[kind].lines) longest[kind] = { lines, name: `${path}: ${own}` };
    }
    for (const member of Object.values(node)) look(member, own);
  };
  look(parseAst(text, { lang: "ts" }), "");
  return longest;
}

interface Length {
  readonly lines: number;
  readonly name: string;
}

interface Node {
  readonly type?: string;
  readonly start: number;
  readonly end: number;
  readonly id?: { readonly name?: string } | null;
  readonly key?: { readonly name?: string };
}

const kinds: Readonly<Record<string, "function" | "class">> = {
  FunctionDeclaration: "function",
  FunctionExpression: "function",
  ArrowFunctionExpression: "function",
  ClassDeclaration: "class",
  ClassExpression: "class",
};

export function withoutComments(text: string): string {
  const stringOrComment =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(stringOrComment, (found) => (found.startsWith("/") ? " " : found));
}

export function specifiers(text: string): string[] {
  const found = text.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g);
  return [...found].map((match) => match[1] ?? "");
}

/** Returns measures of the whole source code. */
function figures(): Record<string, number | string> {
  const sources = readSources();
  const arrows = new Map(sources.map((source) => [source.path, arrowsFrom(source)]));
  const all = sources.flatMap((source) => arrowsFrom(source).map((to) => [roomOf(source.path), roomOf(to)]));
  const between = new Set(all.filter(([from, to]) => from !== to).map((pair) => pair.join(" → ")));
  const back = all.filter(([from = "", to = ""]) => to === "" || !mayImport(from, to));
  const longest = sources.map(longestIn);
  const longestOf = (kind: "function" | "class"): string => {
    const [first] = longest.map((each) => each[kind]).sort((one, other) => other.lines - one.lines);
    return `${first?.lines} lines, ${first?.name}`;
  };
  const largest = sources
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .sort((one, other) => other.lines - one.lines)[0];
  return {
    files: sources.length,
    rooms: floors.flat().length,
    floors: floors.length,
    "imports between files": all.length,
    "arrows between rooms": between.size,
    "imports that run back": back.length,
    circles: circlesIn(arrows).length,
    "largest file": `${largest?.lines} lines, ${largest?.path}`,
    "largest function": longestOf("function"),
    "largest class": longestOf("class"),
  };
}

if (
  import.meta.url === pathToFileURL(process.argv[1] ?? "").href ||
  process.argv[1] === fileURLToPath(import.meta.url)
)
  console.table(figures());
