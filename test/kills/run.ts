import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Runtime } from "../support/runtimes.ts";
import { numbersIn } from "./options.ts";
import { mark, type Outcome, round } from "./round.ts";

/**
 * Kills servers: `npm run kills -- [--count 100] [--seed S] [--on node|bun|deno]… [--clients 8]`.
 *
 * Each seed starts one server of a runtime, with `centrifuge` clients and clients of this project, and kills it at a
 * time that the seed decides. An even seed sends SIGTERM: the server must end by itself, and its report must account
 * for everything. An odd seed sends SIGKILL: every client must reconnect to the next server, and must be told of the
 * gap. The time is real, so a seed repeats the events, but their times only nearly.
 */

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "8" },
    on: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
  },
});
const { count, first, clients } = numbersIn(values);

/** The number of servers at a time. */
const lanes = 2;
const began = performance.now();
const queue = values.on.flatMap((on) =>
  Array.from({ length: count }, (_, n) => ({ on: on as Runtime, seed: first + n })),
);
const total = { SIGTERM: 0, SIGKILL: 0, "SIGTERM, then SIGKILL": 0, received: 0, gaps: 0, cut: 0, failed: 0 };
await Promise.all(Array.from({ length: lanes }, lane));
const left = processes();
for (const each of left) console.log(`FAILED a process is left: ${each}`);
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(
  `total: ${values.on.join(", ")}, seeds ${first} to ${first + count - 1}: ${total.SIGTERM} ended by SIGTERM, ${total.SIGKILL} by SIGKILL, ` +
    `${total["SIGTERM, then SIGKILL"]} by both; ${total.received} publications received, ${total.gaps} gaps reported, ` +
    `${total.cut} sessions cut, ${total.failed} failed, in ${seconds} s`,
);
if (total.failed + left.length > 0) process.exitCode = 1;

async function lane(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { on, seed } = next;
    const outcome = await round(on, seed, clients).catch(String);
    if (typeof outcome !== "string") add(outcome);
    const wrong = typeof outcome === "string" ? [outcome] : outcome.wrong;
    if (wrong.length === 0) continue;
    total.failed++;
    console.log(`FAILED ${on}, seed ${seed}: repeat it with --on ${on} --seed ${seed} --count 1`);
    for (const each of wrong) console.log(`  ${each}`);
  }
}

function add({ how, received, gaps, cut }: Outcome): void {
  total[how]++;
  total.received += received;
  total.gaps += gaps;
  total.cut += cut;
}

/**
 * Returns the command lines of processes that were started here and still run. Works on Linux only; elsewhere it finds
 * none.
 */
function processes(): string[] {
  const found: string[] = [];
  for (const pid of readable("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ");
      if (command.includes(mark)) found.push(command);
    } catch {} // it ended meanwhile
  }
  return found;
}

function readable(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
