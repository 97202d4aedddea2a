import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { binary, type Runtime, root } from "../support/runtimes.ts";
import { type CrashOutcome, crashRound } from "./crash-round.ts";
import { numbersIn } from "./options.ts";

/**
 * Kills servers over a database of SQLite by SIGKILL, and starts them again:
 * `npm run crashes -- [--count 200] [--seed S] [--on node|bun|deno]… [--node <path>] [--clients 50]`.
 *
 * `--count` is the number of kills on each runtime, ten over each database. Node needs SQLite: from version 22.13, or with
 * `better-sqlite3` in the project or in the directory that TOCSIN_BETTER_SQLITE3 names. `--node` is the Node to use.
 */

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "50" },
    on: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    node: { type: "string" },
  },
});
const { count, first, clients } = numbersIn(values);

/** Kills over one database. */
const each = 10;
const mark = randomUUID();
const began = performance.now();
let failed = 0;
for (const on of values.on as Runtime[]) {
  const file = on === "node" && values.node !== undefined ? values.node : binary(on);
  if (on === "node" && !hasSqlite(file)) {
    console.log(
      "node is left out: it has no SQLite. Give --node the path of a Node from 22.13, or TOCSIN_BETTER_SQLITE3",
    );
    continue;
  }
  const sum = { kills: 0, resolved: 0, kept: 0, received: 0, runs: 0, lost: 0 };
  for (let seed = first, left = count; left > 0; seed++, left -= each) {
    const plan = { on, file, seed, kills: Math.min(each, left), clients, mark };
    const outcome = await crashRound(plan).catch((error: unknown) => String(error));
    const wrong = typeof outcome === "string" ? [outcome] : outcome.wrong;
    if (typeof outcome !== "string")
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += outcome[name];
    if (wrong.length === 0) continue;
    failed++;
    console.log(`FAILED ${on}, seed ${seed}: repeat it with --on ${on} --seed ${seed} --count ${plan.kills}`);
    for (const fault of wrong.slice(0, 20)) console.log(`  ${fault}`);
  }
  console.log(`${on}: ${inWords(sum)}`);
}
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(`total: ${failed} databases failed, in ${seconds} s`);
if (failed > 0) process.exitCode = 1;

/** Whether a Node has SQLite, or finds `better-sqlite3`. */
function hasSqlite(file: string): boolean {
  const directory = process.env.TOCSIN_BETTER_SQLITE3 ?? ".";
  const code = `try { require("node:sqlite") } catch { module.createRequire(${JSON.stringify(`${directory}/_`)})("better-sqlite3") }`;
  return spawnSync(file, ["-e", code], { cwd: root, stdio: "ignore" }).status === 0;
}

function inWords({ kills, resolved, kept, received, runs, lost }: Omit<CrashOutcome, "wrong">): string {
  return (
    `${kills} kills, ${resolved} publications resolved, ${kept} in the logs, ${received} received; ` +
    `${runs} runs, ${lost} of them lost`
  );
}
