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
 * Measures what a delivered event costs, beside what one would write by hand or install instead.
 *
 * `npm run bench -- [--node <path>] [--rounds <number>] [--only <text>]… [workload…]`. A round measures everybody once, one
 * after the other; the median of the rounds counts. All workloads together write `bench/results`.
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

/** After every round, so that a long run that is broken off has said something. */
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

/** One that fails is left out, and the bench ends with code 1. */
async function measure(workload: Workload, entrant: Entrant): Promise<void> {
  try {
    const found = await workload.run(entrant);
    results.add(workload, entrant, found);
    const words = Object.entries(found).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
    console.log(`${workload.name} · ${entrant.name}: ${words.join(", ")}`);
  } catch (error) {
    console.log(`${workload.name} · ${entrant.name}: failed: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
