import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";

/** Says anything to notifiers: `npm run fuzz -- --runs N [--seed S [--path P]]`. A failure prints what replays it. */

const { values } = parseArgs({
  options: { runs: { type: "string" }, seed: { type: "string" }, path: { type: "string" } },
});
const runs = Number(values.runs ?? 20_000);
const first = Number(values.seed ?? 1);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(first)) {
  throw new RangeError("Cannot fuzz: --runs and --seed are whole numbers");
}

process.on("unhandledRejection", (error) => {
  throw error;
});

/** Schedules that share a seed. */
const share = 250;
const began = performance.now();
let inputs = 0;
let seed = first;
for (; inputs < runs; seed++) {
  inputs += await fuzz({ seed, schedules: share, path: values.path });
  if (values.path !== undefined) break;
  if ((seed - first) % 100 === 99) console.log(`${inputs} inputs, up to seed ${seed}`);
}
const seconds = (performance.now() - began) / 1000;
console.log(`${inputs} inputs of seeds ${first} to ${seed - 1} broke nothing, in ${seconds.toFixed(1)} s`);
