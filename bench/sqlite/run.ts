import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { program } from "../../test/support/runtime.ts";
import { binary, type Runtime, root } from "../../test/support/runtimes.ts";
import type { Numbers, Task } from "./measure.ts";

/**
 * Measures the log in SQLite beside the log in memory, and beside one transaction a publication by hand:
 * `npm run bench:sqlite -- [--on node|bun|deno]… [--node <path>] [--rounds 3] [--directory <path>]`.
 *
 * The systems take turns. Each number is the median of the rounds. `--directory` is where the databases are: the disk
 * decides what a commit costs.
 */

const { values } = parseArgs({
  options: {
    on: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    node: { type: "string" },
    rounds: { type: "string", default: "3" },
    directory: { type: "string", default: tmpdir() },
  },
});
const systems: readonly Task["system"][] = ["memory", "power", "process", "by hand"];
const directory = mkdtempSync(join(values.directory, "tocsin-bench-"));
let files = 0;

try {
  const tables = (values.on as Runtime[]).map((on) => tableOf(on));
  const text = `# The log in SQLite

Measured on ${new Date().toISOString().slice(0, 10)} with ${cpus().length} cores: the median of ${values.rounds} rounds, in which the systems take turns.
A publication has 200 bytes. *Lone*: one after the other, each awaited. *Load*: a hundred at once, to ten channels.
*By hand* is one transaction a publication on the same driver, with \`synchronous = FULL\` and an index.

${tables.join("\n")}`;
  writeFileSync(join(root, "bench/results/sqlite.md"), text);
  console.log(text);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function tableOf(on: Runtime): string {
  const found = new Map<string, Numbers[]>();
  for (let round = 0; round < Number(values.rounds); round++)
    for (const system of systems)
      for (const what of ["lone", "load"] as const) {
        const key = `${system} ${what}`;
        found.set(key, [...(found.get(key) ?? []), measured(on, { system, what, file: newFile() })]);
      }
  const of = (system: string, what: string, number: keyof Numbers): string => {
    const all = (found.get(`${system} ${what}`) ?? [])
      .map((each) => each[number])
      .filter((each) => each !== undefined);
    return all.length === 0 ? "–" : figure(median(all));
  };
  const file = newFile();
  const { disk = 0 } = measured(on, { system: "process", what: "fill", file });
  const { ready = 0, memory = 0 } = measured(on, { system: "process", what: "start", file });
  rmSync(file, { force: true });
  const rows: [string, string, keyof Numbers][] = [
    ["lone: µs of CPU a publication", "lone", "cpu"],
    ["lone: µs from publish to its receipt, median", "lone", "p50"],
    ["load: µs of CPU a publication", "load", "cpu"],
    ["bytes on disk a publication", "load", "disk"],
  ];
  const names = ["in memory", "SQLite, `power`", "SQLite, `process`", "by hand"];
  const lines = [
    `## ${on} ${versionOf(on)}`,
    "",
    `| | ${names.join(" | ")} |`,
    `|---|${names.map(() => "---|").join("")}`,
    ...rows.map(
      ([title, what, number]) =>
        `| ${title} | ${systems.map((system) => of(system, what, number)).join(" | ")} |`,
    ),
    "",
    `With 1 000 000 publications in 10 000 channels (${figure(disk)} bytes each on disk), the first publication of a new process is in the log after ${figure(ready)} ms, and the process has taken ${figure(memory / 1_048_576)} MiB for it.`,
    "",
  ];
  return lines.join("\n");
}

function measured(on: Runtime, task: Task): Numbers {
  const file = fileURLToPath(new URL("measure.ts", import.meta.url));
  const output = execFileSync(executable(on), [...program(file, on), JSON.stringify(task)], {
    encoding: "utf8",
    cwd: root,
  });
  if (task.what === "lone" || task.what === "load") rmSync(task.file, { force: true });
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Numbers;
}

function executable(on: Runtime): string {
  return on === "node" && values.node !== undefined ? values.node : binary(on);
}

function versionOf(on: Runtime): string {
  const output = execFileSync(executable(on), ["--version"], { encoding: "utf8" });
  return /\d+\.\d+\.\d+/.exec(output)?.[0] ?? "";
}

function newFile(): string {
  return join(directory, `${++files}.db`);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)] as number;
}

function figure(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}
