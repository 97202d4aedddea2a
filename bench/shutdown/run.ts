import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { binary, root } from "../../test/support/runtimes.ts";
import { type Case, judge, perform, type Scale } from "../../test/support/shutdown.ts";
import { cases } from "../../test/support/shutdown-cases.ts";
import { type Entrant, others, tocsin } from "./systems.ts";
import { type Cell, cellOf, type Row, table } from "./table.ts";

/**
 * Shuts servers down while their peers misbehave, and measures how the servers end.
 *
 * `npm run bench:shutdown -- [--node <path>]… [--only tocsin|others] [--case <text>]`. Exits with code 1 if tocsin
 * breaks a bound of its contract in any case.
 */

const scale: Scale = { healthy: 180, stuck: 20, grace: 3_000, patience: 35_000 };
const bounds = { settled: 100, exit: 250 };

const { values } = parseArgs({
  options: {
    node: { type: "string", multiple: true, default: [] },
    only: { type: "string" },
    case: { type: "string", default: "" },
  },
});
const wanted = cases.filter(({ name }) => name.includes(values.case));
const entrants = [
  ...(values.only === "others" ? [] : ours()),
  ...(values.only === "tocsin" ? [] : others(versionIn)),
];
const cells = new Map<string, Cell>();
const keyOf = (one: Case, { name }: Entrant): string => `${one.name} · ${name}`;

await measureAll(
  2,
  pairs((_, { isOurs }) => isOurs),
);
// 12 at a time: the other systems spend nearly all the time waiting until they are killed.
await measureAll(
  12,
  pairs(({ own = false }, { isOurs }) => !isOurs && !own),
);

const rows: Row[] = wanted.map((one) => ({
  name: one.name,
  cells: entrants.map((entrant) => cells.get(keyOf(one, entrant))),
}));
const text = table(entrants, rows, {
  ...scale,
  ...bounds,
  machine: `${cpus().length} × ${cpus()[0]?.model}`,
});
console.log(text);
if (values.case === "" && values.only === undefined) {
  mkdirSync(join(root, "bench/results"), { recursive: true });
  writeFileSync(join(root, "bench/results/shutdown.md"), text);
}
if ([...cells.values()].some(({ wrong }) => wrong.length > 0)) process.exitCode = 1;

function pairs(isMeant: (one: Case, entrant: Entrant) => boolean): [Case, Entrant][] {
  const all = wanted.flatMap((one) => entrants.map((entrant): [Case, Entrant] => [one, entrant]));
  return all.filter(([one, entrant]) => isMeant(one, entrant));
}

/** Measures a queue, `lanes` at a time. */
async function measureAll(lanes: number, queue: [Case, Entrant][]): Promise<void> {
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await measure(...next);
  };
  await Promise.all(Array.from({ length: lanes }, work));
}

async function measure(one: Case, entrant: Entrant): Promise<void> {
  const cell = await attempt(one, entrant);
  cells.set(keyOf(one, entrant), cell);
  console.log(`${keyOf(one, entrant)}: ${cell.text}`);
  for (const fault of cell.wrong) console.log(`  out of bounds: ${fault.slice(0, 500)}`);
}

async function attempt(one: Case, entrant: Entrant): Promise<Cell> {
  try {
    const { outcome, wrong } = await perform(entrant, scale, one);
    const isHeld = entrant.isOurs;
    return cellOf(outcome, isHeld ? [...judge(one, scale, outcome, bounds), ...wrong] : [], scale);
  } catch (error) {
    return { text: "**failed before closing began**", wrong: [String(error)] };
  }
}

function ours(): Entrant[] {
  const nodes = [binary("node"), ...values.node];
  return [
    ...nodes.map((file) => tocsin(`tocsin, Node ${versionOf(file)}`, "node", file)),
    tocsin(`tocsin, Bun ${versionOf(binary("bun"))}`, "bun", binary("bun")),
    tocsin(`tocsin, Deno ${versionOf(binary("deno"))}`, "deno", binary("deno")),
  ];
}

function versionOf(file: string): string {
  return /\d+\.\d+\.\d+/.exec(execFileSync(file, ["--version"], { encoding: "utf8" }))?.[0] ?? "";
}

function versionIn(name: string): string {
  return JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")).version;
}
