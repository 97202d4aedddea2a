import { parseArgs } from "node:util";
import { simulateNodes } from "./nodes-simulate.ts";
import { type Fault, faults } from "./nodes-world.ts";

/**
 * Plays schedules of several nodes over one store, with everything that may happen to them:
 * `npm run simulate:nodes -- --runs N [--seed S] [--only fault]… [--all]`. A failure prints the seed that repeats it, with
 * the same `--only`. With `--all` it goes on after a failure.
 */

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    only: { type: "string", multiple: true },
    all: { type: "boolean" },
  },
});
const runs = Number(values.runs ?? (values.seed === undefined ? 2_000 : 1));
const first = Number(values.seed ?? 1);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(first))
  throw new RangeError("Cannot simulate: --runs and --seed are whole numbers");
const allowed = (values.only ?? faults) as Fault[];
const unknown = allowed.filter((each) => !faults.includes(each));
if (unknown.length > 0) throw new RangeError(`Cannot simulate ${unknown}: faults are ${faults.join(", ")}`);

const began = performance.now();
let failed = 0;
for (let seed = first; seed < first + runs; seed++) {
  try {
    await simulateNodes(seed, allowed);
  } catch (error) {
    if (!values.all) throw error;
    failed++;
    console.log((error as Error).message.split("\n")[0]);
  }
  if ((seed - first + 1) % 10_000 === 0) console.log(`${seed - first + 1} schedules, up to seed ${seed}`);
}
const seconds = (performance.now() - began) / 1000;
const verdict = failed === 0 ? "broke no rule" : `and ${failed} broke a rule`;
console.log(`${runs} schedules of nodes from seed ${first} ${verdict}, in ${seconds.toFixed(1)} s`);
if (failed > 0) process.exitCode = 1;
