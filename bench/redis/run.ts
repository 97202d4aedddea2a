import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { missing } from "../../test/support/redis.ts";
import { binary, root } from "../../test/support/runtimes.ts";
import { appends, depths, ways } from "./appends.ts";
import { fanOut, fanOuts, plan } from "./fan-out.ts";
import { recoveries, recovery } from "./recovery.ts";
import { fanOutKey, fewRounds, report } from "./report.ts";
import { Rounds } from "./rounds.ts";
import { systems } from "./stage.ts";

/**
 * Measures nodes that share a Redis: publications that cross from one node to others, beside Socket.IO; appends, beside
 * `redis-benchmark`; and how clients come back when their node dies.
 *
 * `npm run bench:redis -- [--node <path>] [--rounds 5] [--only fan-out|appends|recovery]…`. In a round all systems take
 * turns, each with a Redis of its own that writes nothing to the disk. A run of everything writes `bench/results/redis.md`.
 */

const { values } = parseArgs({
  options: {
    node: { type: "string", default: binary("node") },
    rounds: { type: "string", default: "5" },
    only: { type: "string", multiple: true, default: [] },
  },
});
const { node, only } = values;
const isWanted = (part: string): boolean => only.length === 0 || only.includes(part);
if (missing !== undefined) throw new Error(`Cannot measure: ${missing}`);

// Every process that is started has it, too.
process.env.NODE_ENV = "production";
const rounds = new Rounds();
const before = loadavg()[0] ?? 0;

for (let round = 1; round <= Number(values.rounds); round++) {
  if (isWanted("fan-out"))
    for (const one of fanOuts)
      for (const system of systems) {
        const found = await fanOut(node, system, one);
        for (const [place, each] of found.entries())
          rounds.add(fanOutKey(one, plan.rates[place] ?? 0, system), each);
      }
  if (isWanted("appends") && round <= fewRounds)
    for (const depth of depths)
      for (const way of ways) rounds.add(`${depth} ${way}`, await appends(node, way, depth));
  if (isWanted("recovery") && round <= fewRounds)
    for (const plan of recoveries) rounds.add(plan.name, await recovery(node, plan));
  // After each round, so that a long run that is stopped early has a result.
  const machine = `${cpus().length} × ${cpus()[0]?.model}`;
  const text = report(rounds, { node, machine, rounds: round, load: before, after: loadavg()[0] ?? 0 });
  console.log(text);
  if (only.length === 0) writeFileSync(join(root, "bench/results/redis.md"), text);
}
