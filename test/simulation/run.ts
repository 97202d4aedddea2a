import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

/** Runs schedules: `npm run simulate -- --runs N [--seed S]`. A failure prints the seed that repeats it. */

const { values } = parseArgs({ options: { runs: { type: "string" }, seed: { type: "string" } } });
const runs = Number(values.runs ?? (values.seed === undefined ? 5_000 : 1));
const first = Number(values.seed ?? 1);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(first)) {
  throw new RangeError("Cannot simulate: --runs and --seed are whole numbers");
}

const began = performance.now();
for (let seed = first; seed < first + runs; seed++) {
  await simulate(seed);
  if ((seed - first + 1) % 50_000 === 0) console.log(`${seed - first + 1} schedules, up to seed ${seed}`);
}
const seconds = (performance.now() - began) / 1000;
console.log(`${runs} schedules from seed ${first} broke no rule, in ${seconds.toFixed(1)} s`);
