import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { root } from "../support/runtimes.ts";

/**
 * Runs the tests that take too long for the suite, one part after the other:
 * `npm run prove -- [--only simulate|restarts|nodes|fuzz|kills|crashes|objects|evictions|redis|soak|mutate]… [--seed S] [--minutes 10] [--quick]`.
 *
 * Without `--seed`, the first seed is random. `--quick` runs a hundredth of everything. This tests the command itself
 * and proves little. Exits with code 1 if any part has failed.
 */

interface Part {
  readonly name: string;
  /** The program and its options. The same options repeat the part. */
  readonly command: readonly string[];
  /** Matches a line of the output. Its first group is the summary of what was done. */
  readonly done: RegExp;
}

interface Outcome {
  readonly part: Part;
  readonly done: readonly string[];
  readonly seconds: number;
  readonly verdict: "passed" | "failed" | "interrupted" | "not run";
}

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    seed: { type: "string" },
    minutes: { type: "string", default: "10" },
    quick: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? 1 + Math.floor(Math.random() * 1_000_000_000));
if (!Number.isSafeInteger(seed)) throw new RangeError("Cannot prove: --seed is a whole number");

/** Returns the number, or a hundredth of it with `--quick`. */
const share = (whole: number): string => String(values.quick ? whole / 100 : whole);
const seeded = ["--seed", String(seed)];
const parts: readonly Part[] = [
  {
    name: "simulate",
    command: ["test/simulation/run.ts", "--runs", share(100_000), ...seeded],
    done: /^(\d+ schedules) from seed/,
  },
  {
    name: "restarts",
    command: ["test/simulation/restarts.ts", "--runs", share(20_000), ...seeded],
    done: /^(\d+ schedules of restarts) from seed/,
  },
  {
    name: "nodes",
    command: ["test/simulation/nodes.ts", "--runs", share(100_000), ...seeded],
    done: /^(\d+ schedules of nodes) from seed/,
  },
  {
    name: "fuzz",
    command: ["test/fuzz/run.ts", "--wire", "--runs", share(1_000_000), ...seeded],
    done: /^(\w+: \d+ frames) of seeds/,
  },
  {
    name: "kills",
    command: ["test/kills/run.ts", "--count", share(100), ...seeded],
    done: /^total: (.*), in \d+ s$/,
  },
  {
    name: "crashes",
    command: ["test/kills/crashes.ts", "--count", share(200), ...seeded],
    done: /^(\w+: \d+ kills, .*)$/,
  },
  {
    name: "objects",
    command: ["test/kills/crashes-objects.ts", "--count", share(100), ...seeded],
    done: /^workerd: (\d+ kills, .*)$/,
  },
  {
    name: "evictions",
    command: ["test/kills/crashes-objects.ts", "--evict", "--count", share(100), ...seeded],
    done: /^workerd: (\d+ evictions, .*)$/,
  },
  {
    name: "redis",
    command: ["test/kills/redis.ts", "--seconds", share(120), ...seeded],
    done: /^redis: (\d+ kills .*|nothing was killed.*)$/,
  },
  {
    name: "soak",
    command: ["test/soak/run.ts", "--minutes", share(Number(values.minutes)), "--sessions", share(2_000)],
    done: /^(\w+: [\d.]+ minutes of \d+ sessions)/,
  },
  {
    name: "mutate",
    command: ["test/mutations/run.ts", ...(values.quick ? ["--every", "100"] : [])],
    done: /^total: (.*), in \d+ s$/,
  },
];
const names = new Set(values.only ?? parts.map(({ name }) => name));
const wanted = parts.filter(({ name }) => names.has(name));
if (wanted.length < names.size)
  throw new RangeError(
    `Cannot prove ${values.only?.join(", ")}: parts are ${parts.map(({ name }) => name).join(", ")}`,
  );

/** Milliseconds that a part has to end by itself after SIGINT. */
const grace = 10_000;
let running: ChildProcess | undefined;
let interrupted: number | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // One Ctrl-C arrives twice: from the terminal and from npm. A signal more than a second later is a second Ctrl-C,
    // and kills at once.
    if (interrupted !== undefined && performance.now() - interrupted > 1_000) end("SIGKILL");
    if (interrupted !== undefined) return;
    interrupted = performance.now();
    end("SIGINT");
    setTimeout(end, grace, "SIGKILL").unref();
  });
}

const outcomes: Outcome[] = [];
for (const part of wanted)
  outcomes.push(
    interrupted !== undefined ? { part, done: [], seconds: 0, verdict: "not run" } : await prove(part),
  );
console.log(`\n${table(outcomes)}`);
if (outcomes.some(({ verdict }) => verdict !== "passed")) process.exitCode = 1;

/** Runs a part, and prints its output. */
async function prove(part: Part): Promise<Outcome> {
  const began = performance.now();
  console.log(`\n${part.name}: node --import tsx ${part.command.join(" ")}`);
  // The part has its own process group, so that a signal reaches all processes that it has started.
  const child = spawn(process.execPath, ["--import", "tsx", ...part.command], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running = child;
  const done: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      console.log(line);
      const found = part.done.exec(line)?.[1];
      if (found !== undefined) done.push(found);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => end("SIGKILL"));
    child.once("close", resolve);
  });
  running = undefined;
  const verdict =
    interrupted !== undefined ? "interrupted" : code === 0 && done.length > 0 ? "passed" : "failed";
  return { part, done, seconds: (performance.now() - began) / 1000, verdict };
}

/** Sends a signal to the running part and to all processes that it has started. */
function end(signal: NodeJS.Signals): void {
  try {
    if (running?.pid !== undefined) process.kill(-running.pid, signal);
  } catch {} // the group has no process any more
}

function table(all: readonly Outcome[]): string {
  const rows = all.map(({ part: { name, command }, done, seconds, verdict }) => [
    name,
    done.join("; ") || "nothing was finished",
    seconds.toFixed(0),
    verdict,
    `node --import tsx ${command.join(" ")}`,
  ]);
  const lines = [["part", "done", "seconds", "verdict", "to repeat it"], ["-", "-", "-", "-", "-"], ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
