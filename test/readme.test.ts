import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { resolveSettings } from "../src/engine/core/settings.ts";
import { progress } from "../src/run.ts";
import { unpainted } from "../src/terminal/cells.ts";
import { bars } from "../src/terminal/view.ts";
import { fakeClock } from "../src/testing.ts";
import { type Child, child } from "./fixtures/child.ts";
import { runtime } from "./fixtures/runtime.ts";
import { fakeTerminal } from "./fixtures/terminal.ts";
import { root } from "./runtimes.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = blocksOf(readme);
const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
/** Inside the project, so that its packages and names resolve as for any other program of it; out of sight of other tests. */
mkdirSync(join(root, ".cache"), { recursive: true });
const folder = mkdtempSync(join(root, ".cache/readme-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("every TypeScript block of the README is a file of the examples, word for word", () => {
  expect(blocks.map(({ file }) => file)).toEqual([
    "examples/reports.ts",
    "examples/watch.ts",
    "examples/fingerprint/node.ts",
    "examples/receipt.test.ts",
    "examples/tokens.test.ts",
    "examples/telemetry.ts",
    "examples/agent.test.ts",
    "examples/events.test.ts",
    "examples/notifier.test.ts",
  ]);
  expect(readme.match(/```ts/g)?.length).toBe(blocks.length);
  for (const { file, code } of blocks) expect(code).toBe(readFileSync(join(root, file as string), "utf8"));
});

test("every TypeScript block of the docs is a file of the examples, word for word", () => {
  for (const name of docs) {
    const text = readFileSync(join(root, "docs", name), "utf8");
    const found = blocksOf(text);
    expect([name, text.match(/```ts/g)?.length ?? 0]).toEqual([name, found.length]);
    for (const { file, code } of found) expect(code).toBe(readFileSync(join(root, file as string), "utf8"));
  }
  expect(docs).toContain("troubleshooting.md");
});

test("every link of the README and the docs within the project leads to a file", () => {
  const linked = [["", "README.md"], ...docs.map((name) => ["docs", name])].flatMap(
    ([folder = "", name = ""]) => {
      const text = readFileSync(join(root, folder, name), "utf8");
      const paths = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, path]) =>
        join(folder, path as string),
      );
      return paths.filter((path) => !existsSync(join(root, path)));
    },
  );
  expect(linked).toEqual([]);
  for (const name of docs) expect(readme).toContain(`](docs/${name})`);
});

test("the README's table of limits has every one, with its default", () => {
  const rows = [...readme.matchAll(/^\| `(\w+)` \| ([\d ]+) \|/gm)].map(([, name, value]) => [
    name,
    Number((value as string).replaceAll(" ", "")),
  ]);
  expect(Object.fromEntries(rows)).toEqual(resolveSettings({}).limits);
});

test("the README's table of shutdowns says what the bench measured", () => {
  const [whole, short] = [readFileSync(join(root, "bench/results/shutdown.md"), "utf8"), readme].map(tableOf);
  const [systems = [], ...rows] = short ?? [];
  expect(rows.length).toBeGreaterThan(5);
  for (const [name, ...cells] of rows) {
    const measured = whole?.find(([other]) => other === name) ?? [];
    const meant = systems.slice(1).map((system) => measured[whole?.[0]?.indexOf(system) ?? -1] ?? "");
    // The first part of a cell is the time it took; one that was killed has none.
    expect(cells).toEqual(meant.map((cell) => cell.split(" · ")[0]));
  }
});

test("the README's table of costs says what the bench measured", () => {
  const part = readme.slice(readme.indexOf("## What it costs, measured"));
  const [whole, short] = [readFileSync(join(root, "bench/results/speed.md"), "utf8"), part].map(tableOf);
  const [systems = [], ...rows] = short ?? [];
  expect(rows.length).toBe(6);
  for (const [name, ...cells] of rows) {
    const measured = whole?.find(([other]) => other === name) ?? [];
    expect(cells).toEqual(systems.slice(1).map((system) => measured[whole?.[0]?.indexOf(system) ?? -1]));
  }
});

/** The TypeScript blocks of a page, which name their file in their first line. */
function blocksOf(markdown: string): { file: string | undefined; code: string | undefined }[] {
  return [...markdown.matchAll(/```ts\n\/\/ (\S+)\n([\s\S]*?)```/g)].map(([, file, code]) => ({
    file,
    code,
  }));
}

/** The rows of the first table with a column for tocsin on Node, its header first. */
function tableOf(markdown: string): string[][] {
  const lines = markdown.split("\n");
  const first = lines.findIndex((line) => line.includes("tocsin, Node"));
  const last = lines.findIndex((line, index) => index > first && !line.startsWith("|"));
  const rows = lines.slice(first, last).map((line) => line.split("|").slice(1, -1));
  return rows.map((cells) => cells.map((cell) => cell.trim())).filter(([, cell]) => !cell?.startsWith("---"));
}

test("the README's picture of a terminal is what the command draws there", async () => {
  const [terminal, clock] = [fakeTerminal(90), fakeClock()];
  const channels = ["run:6f1c", "run:a90d", "run:77b2", "news"];
  const view = bars({ terminal, errors: undefined, clock, channels, paint: unpainted });
  const tell = (channel: string | undefined, after: number, data: unknown): Promise<void> =>
    view.show({ channel: `${channel}`, offset: 1, epoch: "e", data, time: Date.UTC(2026, 0, 1) + after });
  const [render, exporting, importing, news] = channels;
  await tell(render, 0, { type: "run.started", name: "Render the report" });
  await tell(exporting, 0, { type: "run.started", name: "Export" });
  await tell(importing, 0, { type: "run.started", name: "Import" });
  await tell(render, 1_900, progress(19, 40, { message: "page 19" }));
  await tell(exporting, 1_900, progress(6, 10));
  await tell(importing, 2_000, { type: "run.completed", result: { rows: 812 } });
  await tell(news, 2_000, { text: "Maintenance at noon" });
  await tell(exporting, 3_500, { type: "run.failed", error: { name: "Error", message: "No paper" } });
  view.end();
  expect(readme).toContain(`\`\`\`text\n${terminal.seen.join("\n")}\n\`\`\`\n`);
});

test("the mains of the demo differ in one import", () => {
  const [node, ...others] = ["node", "bun", "deno"].map((name) => {
    const code = readFileSync(join(root, `examples/fingerprint/${name}.ts`), "utf8");
    return code.replace(`tocsin/${name}`, "tocsin/runtime").replace(/^\/\/.*\n/gm, "");
  });
  expect(others).toEqual([node, node]);
});

test("the README's program serves its client, which sees the whole run, and both end by themselves", async () => {
  const server = start("reports");
  const [, url] = await server.until(/Listening on (\S+)/);
  const client = start("watch", url as string);
  const watched = await client.exit;
  expect(watched.code).toBe(0);
  const events = watched.output
    .split("\n")
    // A runtime may have something to say itself, on the other stream.
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

/** Runs an example on this runtime: its import of `tocsin/node` is that of this runtime, as the README says. */
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
