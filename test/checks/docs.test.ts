import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { resolveSettings } from "../../src/engine/core/settings.ts";
import { stateOf } from "../../src/engine/runs/run-state.ts";
import type { RunStatus } from "../../src/model/run-event.ts";
import { progress } from "../../src/run.ts";
import type { InspectedChannel } from "../../src/stores/sqlite/inspect.ts";
import { unpainted } from "../../src/terminal/cells.ts";
import { listTable } from "../../src/terminal/list.ts";
import { Progress } from "../../src/terminal/progress.ts";
import { bars } from "../../src/terminal/view.ts";
import { fakeClock } from "../../src/testing.ts";
import {
  anchorsOf,
  blocksOf,
  docs,
  headingsOf,
  page,
  prose,
  readme,
  tableOf,
  wrongBlocksOf,
  wrongLinksOf,
} from "../support/pages.ts";
import { root } from "../support/runtimes.ts";
import { fakeTerminal } from "../support/terminal.ts";

/** The examples on each page. */
const shown: Readonly<Record<string, readonly string[]>> = {
  "docs/access.md": ["examples/tokens.test.ts"],
  "docs/agents.md": ["examples/agent.test.ts"],
  "docs/cluster.md": ["examples/health.test.ts"],
  "docs/demo.md": ["examples/fingerprint/node.ts"],
  "docs/deploy.md": ["examples/deploy/app.ts", "examples/deploy/deno.ts", "examples/deploy/bun.ts"],
  "docs/durable.md": ["examples/durable/node.ts"],
  "docs/events.md": ["examples/events.test.ts"],
  "docs/operations.md": ["examples/telemetry.ts"],
  "docs/receipts.md": ["examples/receipt.test.ts"],
  "docs/testing.md": ["examples/notifier.test.ts", "examples/cluster.test.ts"],
  "docs/troubleshooting.md": ["examples/refused.test.ts", "examples/hot.ts"],
};

const names = [page("package.json"), page("deno.json")].map(({ text }) => JSON.parse(text).name as string);
const [npm, jsr] = names as [string, string];
const entries = Object.keys(JSON.parse(page("deno.json").text).exports).map((entry) => entry.slice(2));

test("every TypeScript block of the docs is a file of the examples, word for word", () => {
  expect(docs.flatMap(wrongBlocksOf)).toEqual([]);
  const found = docs.map((page) => [page.path, blocksOf(page).map(({ file }) => file)]);
  expect(Object.fromEntries(found)).toMatchObject(shown);
});

test("every link of the README and the docs leads to a file of the project, and to a heading of it", () => {
  const wrong = [readme, ...docs].flatMap((page) => wrongLinksOf(page).map((link) => [page.path, link]));
  expect(wrong).toEqual([]);
});

test("a link to a missing page or heading is found", () => {
  const text =
    "# Who may do what\n\n## Reloading with `bun --hot`\n\n```sh\n# No heading\n```\n\n## Again\n\n# Again\n";
  const anchors = ["who-may-do-what", "reloading-with-bun---hot", "again", "again-1"];
  expect(anchorsOf(text)).toEqual(anchors);
  const links = "[a](../README.md#no-such) [b](nowhere.md) [c](#here) [d](../README.md#install)\n\n# Here\n";
  expect(wrongLinksOf({ path: "docs/limits.md", text: links })).toEqual([
    "../README.md#no-such",
    "nowhere.md",
    "#here",
  ]);
});

test("the README links every page of the docs in its last section", () => {
  const last = readme.text.slice(readme.text.lastIndexOf("\n## "));
  expect(docs.filter(({ path }) => !last.includes(`](${path})`))).toEqual([]);
});

test("every page has one title, and it comes first", () => {
  const titles = docs.map(({ path, text }) => [path, text.startsWith(`# ${headingsOf(text)[0]}\n`)]);
  expect(titles.filter(([, isFirst]) => isFirst !== true)).toEqual([]);
  expect(docs.filter(({ text }) => prose(text).match(/^# /gm)?.length !== 1)).toEqual([]);
});

test("a page that names an entry of the package gives both of its names, before the first import", () => {
  const named = new RegExp(`(?<![@/\\w])${npm}/(${entries.slice(1).join("|")})\\b`);
  const pages = [readme, ...docs].filter(({ text }) => named.test(text));
  const wrong = pages.filter(({ text }) => {
    const [before = ""] = text.replace(/\s+/g, " ").split(new RegExp(`from "${npm}["/]`));
    const install = new RegExp(`npm install ${npm}\\b`);
    const imports = new RegExp(`\`${jsr}/(${entries.slice(1).join("|")})\``);
    return !(install.test(before) && before.includes(`deno add jsr:${jsr}`) && imports.test(before));
  });
  expect(wrong.map(({ path }) => path)).toEqual([]);
  expect(pages.length).toBeGreaterThan(8);
});

test("the table of limits has every one, with its default", () => {
  const { text } = page("docs/limits.md");
  const rows = [...text.matchAll(/^\| `(\w+)` \| ([\d ]+|Infinity) \|/gm)].map(([, name, value]) => [
    name,
    Number((value as string).replaceAll(" ", "")),
  ]);
  expect(Object.fromEntries(rows)).toEqual(resolveSettings({}).limits);
});

test("the table of shutdowns has the measured values", () => {
  const pages = [page("bench/results/shutdown.md"), page("docs/shutdown.md")];
  const [whole, short] = pages.map(({ text }) => tableOf(text));
  const [systems = [], ...rows] = short ?? [];
  expect(rows.length).toBeGreaterThan(5);
  for (const [name, ...cells] of rows) {
    const measured = whole?.find(([other]) => other === name) ?? [];
    const meant = systems.slice(1).map((system) => measured[whole?.[0]?.indexOf(system) ?? -1] ?? "");
    // The first part of a cell is the time until closing was done, or "> 35 s, killed".
    expect(cells).toEqual(meant.map((cell) => cell.split(" · ")[0]));
  }
});

test("docs/shutdown.md states the number of cases", () => {
  const cases = tableOf(page("bench/results/shutdown.md").text).length - 1;
  expect(page("docs/shutdown.md").text.replace(/\s+/g, " ")).toContain(
    `](../bench/results/shutdown.md) has ${cases} cases`,
  );
});

test("the table of costs has the measured values", () => {
  const pages = [page("bench/results/speed.md"), page("docs/performance.md")];
  const [whole, short] = pages.map(({ text }) => tableOf(text));
  const [systems = [], ...rows] = short ?? [];
  expect(rows.length).toBe(6);
  for (const [name, ...cells] of rows) {
    const measured = whole?.find(([other]) => other === name) ?? [];
    expect(cells).toEqual(systems.slice(1).map((system) => measured[whole?.[0]?.indexOf(system) ?? -1]));
  }
});

test("the tables of nodes that share a Redis have the measured values", () => {
  const [whole = [], short = []] = ["bench/results/redis.md", "docs/performance.md"].map((path) => {
    const [, part = page(path).text] = page(path).text.split("\n## Nodes that share a Redis\n");
    return (part.split("\n## What the numbers say\n")[0] ?? "")
      .split("\n")
      .filter((line) => line.startsWith("|"));
  });
  expect(short).toEqual(whole);
});

test("the picture of a terminal equals what the command draws", async () => {
  const [terminal, clock] = [fakeTerminal(90), fakeClock()];
  const channels = ["run:6f1c", "run:a90d", "run:77b2", "news"];
  const view = bars({ terminal, errors: undefined, clock, channels, paint: unpainted });
  const show = (channel: string | undefined, after: number, data: unknown): Promise<void> =>
    view.show({ channel: `${channel}`, offset: 1, epoch: "e", data, time: Date.UTC(2026, 0, 1) + after });
  const [render, exporting, importing, news] = channels;
  await show(render, 0, { type: "run.started", name: "Render the report" });
  await show(exporting, 0, { type: "run.started", name: "Export" });
  await show(importing, 0, { type: "run.started", name: "Import" });
  await show(render, 1_900, progress(19, 40, { message: "page 19" }));
  await show(exporting, 1_900, progress(6, 10));
  await show(importing, 2_000, { type: "run.completed", result: { rows: 812 } });
  await show(news, 2_000, { text: "Maintenance at noon" });
  await show(exporting, 3_500, { type: "run.failed", error: { name: "Error", message: "No paper" } });
  view.end();
  expect(page("docs/terminal.md").text).toContain(`\`\`\`text\n${terminal.seen.join("\n")}\n\`\`\`\n`);
});

test("the picture of a log's file equals what the command draws", async () => {
  const now = Date.UTC(2026, 0, 1, 12);
  const one = { first: 1, sealed: false, state: undefined };
  const run = (name: string, status: RunStatus): string =>
    stateOf({
      ...{ run: "", name, status, started: 0, ended: 0 },
      ...{ owner: "", announced: "", asksToCancel: false, node: undefined },
    });
  const channels: InspectedChannel[] = [
    {
      ...one,
      channel: "news",
      publications: 1_000,
      bytes: 214_310,
      first: 3_113,
      top: 4_112,
      epoch: "0c45d80.1f",
      newest: now - 4_200,
    },
    {
      ...one,
      channel: "room:1",
      publications: 31,
      bytes: 2_914,
      top: 31,
      epoch: "0c45d80.9k",
      newest: now - 3_723_000,
    },
    {
      ...one,
      channel: "run:6f1c",
      publications: 21,
      bytes: 1_311,
      top: 21,
      epoch: "0c45d83.7",
      newest: now - 300,
      state: run("Render the report", "working"),
    },
    {
      ...one,
      channel: "run:77b2",
      publications: 4,
      bytes: 402,
      top: 4,
      epoch: "0c45d82.x",
      newest: now - 75_000,
      sealed: true,
      state: run("Import", "completed"),
    },
  ];
  const owner = { id: "0c45d81", since: now - 90_000_000, beat: now - 300, lease: 15_000 };
  const inspection = {
    ...{ owner, version: 1, rows: channels.length, read: () => undefined, release: () => {} },
    channels: () => ({ channels, next: undefined, rows: channels.length }),
  };
  const [errors, output] = [{ write: () => {} }, new PassThrough({ encoding: "utf8" })];
  const clock = fakeClock();
  const progress = new Progress({
    ...{ name: "", noun: "", terminal: undefined, errors, clock, paint: unpainted },
  });
  const options = {
    inspection,
    output,
    progress,
    pause: async () => {},
    signal: new AbortController().signal,
  };
  const sizes = { file: 3_309_568, wal: 86_552 };
  await listTable({ ...options, sizes, now, width: () => 100, paint: unpainted });
  expect(page("docs/terminal.md").text).toContain(`\`\`\`text\n${output.read()}\`\`\`\n`);
});

test("the main files of the demo differ only in an import, and in how they open the database", () => {
  const [node, ...others] = ["node", "bun", "deno"].map((name) => {
    const code = readFileSync(join(root, `examples/fingerprint/${name}.ts`), "utf8");
    const lines = code.replace(`tocsin/${name}`, "tocsin/runtime").split("\n");
    return lines.filter((line) => !/^\/\/|:sqlite"|openDatabase\(/.test(line));
  });
  expect(others).toEqual([node, node]);
  expect(node?.length).toBeGreaterThan(10);
});
