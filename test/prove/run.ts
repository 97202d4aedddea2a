import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { root } from "../support/runtimes.ts";

/**
 * Proves what no suite has the time for, one part after the other:
 * `npm run prove -- [--only simulate|fuzz|kills|soak|mutate]… [--seed S] [--minutes 10] [--quick]`.
 *
 * Every run has seeds of its own unless `--seed` gives them. `--quick` does a hundredth of everything, which tries the
 * command itself and proves little. Ends with code 1 when any part has failed.
 */

interface Part {
  readonly name: string;
  /** The program and its options, which repeat it. */
  readonly command: readonly string[];
  /** What of its output says in numbers what was done. */
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

/** So many, or a hundredth of them. */
const share = (whole: number): string => String(values.quick ? whole / 100 : whole);
const seeded = ["--seed", String(seed)];
const parts: readonly Part[] = [
  {
    name: "simulate",
    command: ["test/simulation/run.ts", "--runs", share(100_000), ...seeded],
    done: /^(\d+ schedules) from seed/,
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

/** Milliseconds that a part has to end by itself when it is told to. */
const farewell = 10_000;
let running: ChildProcess | undefined;
let interrupted: number | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The terminal and npm both pass on one Ctrl-C; whoever asks again later does not want to wait.
    if (interrupted !== undefined && performance.now() - interrupted > 1_000) end("SIGKILL");
    if (interrupted !== undefined) return;
    interrupted = performance.now();
    end("SIGINT");
    setTimeout(end, farewell, "SIGKILL").unref();
  });
}

const outcomes: Outcome[] = [];
for (const part of wanted)
  outcomes.push(
    interrupted !== undefined ? { part, done: [], seconds: 0, verdict: "not run" } : await prove(part),
  );
console.log(`\n${table(outcomes)}`);
if (outcomes.some(({ verdict }) => verdict !== "passed")) process.exitCode = 1;

/** Runs a part, passing on what it prints. */
async function prove(part: Part): Promise<Outcome> {
  const began = performance.now();
  console.log(`\n${part.name}: node --import tsx ${part.command.join(" ")}`);
  // A group of its own, so that nothing it started can outlive it.
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

/** Sends a signal to the part that runs, and to all that it has started. */
function end(signal: NodeJS.Signals): void {
  try {
    if (running?.pid !== undefined) process.kill(-running.pid, signal);
  } catch {} // nothing of the group is left
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
