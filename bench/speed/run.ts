import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { binary, root } from "../../test/support/runtimes.ts";
import { type Entrant, entrants } from "./entrants.ts";
import { importCost } from "./import-cost.ts";
import { plot } from "./plot.ts";
import { report } from "./report.ts";
import { Results } from "./results.ts";
import { type Workload, workloads } from "./workloads.ts";

/**
 * Measures the cost of a delivered event, for tocsin, for other libraries, and for programs without a library.
 *
 * `npm run bench -- [--node <path>] [--rounds <number>] [--only <text>]… [--write <name>] [workload…]`. One round
 * measures each entrant once, one after the other. The result is the median of the rounds. A run of all workloads and
 * all entrants writes `bench/results/<name>.md` and `.svg`. Default name: `speed`.
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: "string", default: binary("node") },
    rounds: { type: "string", default: "5" },
    only: { type: "string", multiple: true },
    write: { type: "string", default: "speed" },
  },
});
const all = entrants(values.node);
const wanted = workloads.filter(
  ({ name }) => positionals.length === 0 || positionals.some((one) => name.startsWith(one)),
);
const results = new Results();

const cost = await importCost(values.node);

for (let round = 1; round <= Number(values.rounds); round++) {
  const due = wanted.filter(({ once = false }) => round === 1 || !once);
  for (const workload of due) for (const entrant of takingPart(workload)) await measure(workload, entrant);
  write(round);
}
if (wanted.length === 0) write(0);

/** Prints and writes the result. Called after every round, so that a long run that is stopped early has a result. */
function write(rounds: number): void {
  const measured = results.all(wanted, all);
  const machine = `${cpus().length} × ${cpus()[0]?.model}`;
  const text = report(measured, cost, { machine, rounds, load: loadavg()[0] ?? 0 });
  console.log(text);
  if (positionals.length > 0 || values.only !== undefined) return;
  const folder = join(root, "bench/results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${values.write}.md`), text);
  writeFileSync(join(folder, `${values.write}.svg`), plot(measured));
}

function takingPart({ entrants }: Workload): Entrant[] {
  const isWanted = ({ id }: Entrant): boolean => values.only?.some((text) => id.includes(text)) ?? true;
  return all.filter((entrant) => entrants.includes(entrant.id) && isWanted(entrant));
}

/** Measures one entrant. If that fails, the entrant is left out, and the benchmark exits with code 1. */
async function measure(workload: Workload, entrant: Entrant): Promise<void> {
  try {
    const found = await workload.run(entrant);
    results.add(workload, entrant, found);
    const values = Object.entries(found).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
    console.log(`${workload.name} · ${entrant.name}: ${values.join(", ")}`);
  } catch (error) {
    console.log(`${workload.name} · ${entrant.name}: failed: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
