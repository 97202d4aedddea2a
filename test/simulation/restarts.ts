import { parseArgs } from "node:util";
import { simulateRestarts } from "./restart-world.ts";
import { objectStores, sqliteStores } from "./sqlite-stores.ts";

/**
 * Plays schedules of processes that work with one log, crash at any instant and start again:
 * `npm run simulate:restarts -- --runs N [--seed S] [--sqlite] [--object]`. A failure prints the seed that repeats it.
 *
 * The log is a model in memory, or with `--sqlite` the log in SQLite, on a runtime that has it. With `--object` it is that of
 * a Durable Object.
 */

const { values } = parseArgs({
  options: {
    runs: { type: "string" },
    seed: { type: "string" },
    sqlite: { type: "boolean" },
    object: { type: "boolean" },
  },
});
const runs = Number(values.runs ?? (values.seed === undefined ? 5_000 : 1));
const first = Number(values.seed ?? 1);
if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(first))
  throw new RangeError("Cannot simulate: --runs and --seed are whole numbers");

const stores = values.object ? objectStores : values.sqlite ? sqliteStores : undefined;
const began = performance.now();
for (let seed = first; seed < first + runs; seed++) await simulateRestarts(seed, stores);
const seconds = (performance.now() - began) / 1000;
console.log(`${runs} schedules of restarts from seed ${first} broke no rule, in ${seconds.toFixed(1)} s`);
