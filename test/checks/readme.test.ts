import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { type Child, child } from "../support/child.ts";
import { blocksOf, headingsOf, prose, readme, wrongBlocksOf } from "../support/pages.ts";
import { runtime } from "../support/runtime.ts";
import { root } from "../support/runtimes.ts";

/**
 * Inside the project, so that package names resolve as in any program of it, and in a folder that no other test reads.
 */
mkdirSync(join(root, ".cache"), { recursive: true });
const folder = mkdtempSync(join(root, ".cache/readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the README is at most 250 lines, and none of them is long", () => {
  const lines = readme.text.trimEnd().split("\n");
  expect(lines.length).toBeLessThanOrEqual(250);
  const rows = /^\|/;
  expect(lines.filter((line) => line.length > (rows.test(line) ? 160 : 130))).toEqual([]);
  expect(readme.text.split(/\s+/).length).toBeLessThan(2_200);
});

test("the README has its sections in their order", () => {
  expect(headingsOf(readme.text)).toEqual([
    "tocsin",
    "When not to use it",
    "Install",
    "Server",
    "Client",
    "Who may do what",
    "Attach to your server",
    "Cancel and resume",
    "What each runtime can and cannot",
    "What it will never do",
    "More",
  ]);
});

test("the README shows the two main commands before the first program, and the package has their scripts", () => {
  const before = readme.text.slice(0, readme.text.indexOf("```ts"));
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  for (const name of ["start", "test"]) {
    expect(before).toContain(`| \`npm install && npm ${name}\` |`);
    expect(scripts).toHaveProperty(name);
  }
});

test("every TypeScript block of the README is a file of the examples, word for word", () => {
  const files = blocksOf(readme).map(({ file }) => file);
  expect(files).toEqual(["examples/reports.ts", "examples/watch.ts", "examples/cancel.ts"]);
  expect(wrongBlocksOf(readme)).toEqual([]);
  expect(prose(readme.text)).not.toContain("```");
});

test("the README's client receives the whole run from the README's server, and both end by themselves", async () => {
  const server = start("reports");
  const [, url] = await server.until(/Listening on (\S+)/);
  const client = start("watch", url as string);
  const watched = await client.exit;
  expect(watched.code).toBe(0);
  const events = watched.output
    .split("\n")
    // A runtime may print messages of its own to stderr.
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  expect(events.map(({ type, progress, result }) => [type, progress ?? result])).toEqual([
    ["run.started", undefined],
    ...Array.from({ length: 10 }, (_, page) => ["progress", (page + 1) / 10]),
    [undefined, undefined],
  ]);
  expect(events.at(-1)).toEqual({ url: "/reports/42.pdf" });
  server.kill("SIGTERM");
  const served = await server.exit;
  expect(served.code).toBe(0);
  expect(served.output).toMatch(/sessions: \{\s+closed: 0,\s+cut: 0/);
});

test("the README's client that resumes continues after its position, and its run ends as cancelled", async () => {
  const server = start("reports");
  const [, url] = await server.until(/Listening on (\S+)/);
  const client = start("cancel", url as string);
  const { code, output } = await client.exit;
  expect(code).toBe(0);
  const seen = [...output.matchAll(/^(\d+) \{"type":"progress","progress":([\d.]+)/gm)];
  expect(seen.slice(0, 2).map(([, offset, progress]) => [offset, progress])).toEqual([
    ["4", "0.3"],
    ["5", "0.4"],
  ]);
  expect(seen.map(([, offset]) => Number(offset))).toEqual(seen.map((_, index) => 4 + index));
  expect(output).toMatch(/^Cancelled by the client: Not needed any more$/m);
  expect(output).not.toContain("/reports/42.pdf");
  server.kill("SIGTERM");
  expect((await server.exit).code).toBe(0);
});

/**
 * Runs an example on this runtime. Its import of `tocsin/node` is replaced by the entry of this runtime, as the README
 * says.
 */
function start(name: string, ...args: string[]): Child {
  const code = readFileSync(join(root, `examples/${name}.ts`), "utf8");
  const file = join(folder, `${name}.ts`);
  writeFileSync(file, code.replace("tocsin/node", `tocsin/${runtime}`));
  process.env.PORT = "0";
  try {
    const started = child(pathToFileURL(file).href, ...args);
    onTestFinished(() => started.destroy());
    return started;
  } finally {
    delete process.env.PORT;
  }
}
