import { parseArgs } from "node:util";
import { installed } from "../support/workerd-binary.ts";
import { evictRound, killRound, type ObjectOutcome } from "./object-round.ts";
import { numbersIn } from "./options.ts";

/**
 * Kills `workerd` while Durable Objects work, and starts it again:
 * `npm run crashes:objects -- [--count 100] [--seed S] [--objects 8] [--clients 40] [--evict]`.
 *
 * `--count` is the number of kills, ten over each folder. After the last of them nobody connects until the alarms of the
 * objects have rung. In a folder whose seed can be divided by three, that kill comes as alarms ring. With `--evict` nothing
 * is killed: objects are evicted five times each and then all aborted, `--count` times.
 */

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "40" },
    objects: { type: "string", default: "8" },
    evict: { type: "boolean", default: false },
  },
});
const { count, first, clients } = numbersIn(values);
const objects = Number(values.objects);
if (!Number.isSafeInteger(objects) || objects < 1)
  throw new RangeError("Cannot kill: --objects is a whole number");

/** Kills over one folder. */
const each = 10;
if ("reason" in installed) console.log(`Durable Objects are left out: ${installed.reason}`);
else await endAll();

async function endAll(): Promise<void> {
  const began = performance.now();
  const sum = {
    ...{ kills: 0, silences: 0, evictions: 0, aborts: 0 },
    ...{ resolved: 0, kept: 0, received: 0, runs: 0, lost: 0 },
  };
  let failed = 0;
  for (let seed = first, left = count; left > 0; seed++, left -= each) {
    const plan = { seed, count: Math.min(each, left), objects, clients };
    const round = values.evict ? evictRound : killRound;
    const outcome = await round(plan).catch((error: unknown) => String(error));
    const wrong = typeof outcome === "string" ? [outcome] : outcome.wrong;
    if (typeof outcome !== "string")
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += outcome[name];
    if (wrong.length === 0) continue;
    failed++;
    const how = values.evict ? " --evict" : "";
    console.log(`FAILED seed ${seed}: repeat it with${how} --seed ${seed} --count ${plan.count}`);
    for (const fault of wrong.slice(0, 20)) console.log(`  ${fault}`);
  }
  console.log(`workerd: ${inWords(sum)}`);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`total: ${failed} folders failed, in ${seconds} s`);
  if (failed > 0) process.exitCode = 1;
}

function inWords(all: Omit<ObjectOutcome, "wrong">): string {
  const { kills, silences, evictions, aborts, resolved, kept, received, runs, lost } = all;
  const ends = values.evict
    ? `${evictions} evictions, all objects aborted ${aborts} times`
    : `${kills} kills, ${silences} of them with nobody coming`;
  return (
    `${ends}, ${resolved} publications resolved, ${kept} in the logs, ${received} received; ` +
    `${runs} runs, ${lost} of them lost`
  );
}
