import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { mark, type Results } from "./support/reporter.ts";
import { binary, type Runtime, root } from "./support/runtimes.ts";
import { installed } from "./support/workerd-binary.ts";

/**
 * Runs the suite on Node, Bun and Deno, and what a peer sees on workerd:
 * `npm test -- [--only node|bun|deno|workerd]… [--node <path>]… [file filters]`. `--products`, `--models` and `--redis`
 * run the parts that the suite leaves out.
 */

/**
 * Milliseconds within which a process must end after its results. On a busy machine Deno needs several seconds. A leak
 * keeps the process alive for longer than this.
 */
const patience = 20_000;
/** Milliseconds that a whole run may take: 15 minutes for the log in Redis, which mostly waits, and 5 for all others. */
const limits = { usual: 300_000, redis: 900_000 };
/**
 * The number of runs at a time, with two workers each. On two cores, more runs would slow each other's servers and
 * clients.
 */
const lanes = 2;

/** The projects of `vitest.config.ts`, as they are named in the output. */
const parts = {
  suite: "",
  once: ", sources and documents",
  models: ", models",
  redis: ", Redis",
  products: ", products",
  workerd: "",
} as const;

interface Target {
  name: string;
  file: string;
  args: string[];
}

interface Outcome extends Results {
  name: string;
  seconds: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", multiple: true },
    node: { type: "string", multiple: true },
    products: { type: "boolean" },
    models: { type: "boolean" },
    redis: { type: "boolean" },
  },
});
const running = new Set<ChildProcess>();
const queue = targets();
const outcomes: Outcome[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    queue.length = 0;
    for (const child of running) killGroup(child);
  });
}

await Promise.all(Array.from({ length: lanes }, lane));
summarize(outcomes);

function targets(): Target[] {
  if (values.products) return [target("node", binary("node"), "products")];
  if (values.node !== undefined) return values.node.map((file) => target("node", file, "suite"));
  const isWanted = (name: string): boolean => values.only === undefined || values.only.includes(name);
  const runtimes: Runtime[] = ["node", "bun", "deno"];
  const wanted = runtimes.filter(isWanted);
  const onWorkerd = isWanted("workerd") && !values.models && !values.redis ? [workerdTarget()] : [];
  if (wanted.length + onWorkerd.length === 0)
    throw new RangeError(`Cannot run on ${JSON.stringify(values.only)}: not a runtime`);
  if (values.redis) return wanted.map((runtime) => target(runtime, binary(runtime), "redis"));
  // The models have run on Node as part of the suite.
  if (values.models)
    return wanted
      .filter((runtime) => runtime !== "node")
      .map((runtime) => target(runtime, binary(runtime), "models"));
  const suites = wanted.map((runtime) => target(runtime, binary(runtime), "suite"));
  if (wanted.includes("node"))
    suites.push(target("node", binary("node"), "once"), target("node", binary("node"), "models"));
  else console.log("The sources, the documents and the models are left out: they are checked on Node");
  return [...suites, ...onWorkerd];
}

/** Returns the command that runs the tests on workerd, which are run by Node. Where workerd cannot run, they are skipped. */
function workerdTarget(): Target {
  const date = process.env.TOCSIN_WORKERD_DATE;
  const version = "version" in installed ? installed.version : "";
  const name = `workerd ${version}${date === undefined ? "" : `, compatible with ${date}`}`.trim();
  return { ...target("node", binary("node"), "workerd"), name };
}

/** Returns the command that runs one project of `vitest.config.ts` on a runtime. */
function target(runtime: Runtime, file: string, project: keyof typeof parts): Target {
  const version = /\d+\.\d+\.\d+\S*/.exec(execFileSync(file, ["--version"], { encoding: "utf8" }))?.[0];
  const name = `${runtime} ${version}${parts[project]}`;
  const vitest =
    runtime === "deno" ? ["run", "-A", "npm:vitest"] : [join(root, "node_modules/vitest/vitest.mjs")];
  const filters = positionals.length > 0 ? ["--passWithNoTests", ...positionals] : [];
  return {
    name,
    file,
    args: [...vitest, "run", "--reporter", "test/support/reporter.ts", "--project", project, ...filters],
  };
}

async function lane(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const outcome = await run(next);
    outcomes.push(outcome);
    for (const what of byReason(outcome.skipped)) console.log(`${outcome.name}: skipped ${what}`);
    console.log(
      `${outcome.name}: ${counts(outcome)}, ${outcome.skipped.length} skipped in ${outcome.seconds.toFixed(1)} s`,
    );
  }
}

/** Many tests that are skipped for one reason are one line. */
function byReason(skipped: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const name of skipped) {
    const reason = / \(([^()]+)\)$/.exec(name)?.[1] ?? name;
    groups.set(reason, [...(groups.get(reason) ?? []), name]);
  }
  return Array.from(groups, ([reason, names]) =>
    names.length > 2 ? [`${names.length} tests: ${reason}`] : names,
  ).flat();
}

function counts({ passed, failed }: { passed: number; failed: readonly string[] }): string {
  return `${passed} passed, ${failed.length} failed`;
}

function summarize(all: readonly Outcome[]): void {
  const passed = all.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = all.flatMap((outcome) => outcome.failed.map((what) => `${outcome.name}: FAILED ${what}`));
  const skipped = all.flatMap((outcome) => outcome.skipped).length;
  // Each has been printed in full when it happened, which may be thousands of lines ago.
  for (const what of failed) console.log(what);
  console.log(`total: ${counts({ passed, failed })}${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  // Where nothing could run, the reason has been printed.
  if (failed.length > 0 || passed + skipped === 0) process.exitCode = 1;
}

/** Runs the suite once. Each fault of the process itself counts as one more failure. */
async function run({ name, file, args }: Target): Promise<Outcome> {
  const start = performance.now();
  const workers = mkdtempSync(join(tmpdir(), "tocsin-workers-"));
  const child = spawn(file, args, {
    cwd: root,
    detached: true, // gives the run a process group of its own, so that all its processes can be killed
    env: { ...process.env, TOCSIN_WORKERS: workers, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const { results, problems } = await watch(name, child);
  running.delete(child);
  problems.push(...leftProcesses(child), ...lingeringWorkers(workers));
  killGroup(child);
  rmSync(workers, { recursive: true });
  const { passed, failed, skipped } = results ?? { passed: 0, failed: [], skipped: [] };
  return {
    name,
    passed,
    failed: [...failed, ...problems],
    skipped,
    seconds: (performance.now() - start) / 1000,
  };
}

/** Prints the output of the process, and waits until it ends. Kills the process if it does not end by itself. */
async function watch(name: string, child: ChildProcess): Promise<{ results?: Results; problems: string[] }> {
  const problems: string[] = [];
  let results: Results | undefined;
  const giveUp = (problem: string) => {
    problems.push(problem);
    killGroup(child);
  };
  const limit = values.redis ? limits.redis : limits.usual;
  let watchdog = setTimeout(giveUp, limit, `had not finished after ${limit / 1000} s`);
  const onLine = (line: string) => {
    const [text, json] = line.split(mark);
    if (text !== "" || json === undefined) console.log(`[${name}] ${text}`);
    if (json === undefined) return;
    results = JSON.parse(json);
    clearTimeout(watchdog);
    watchdog = setTimeout(giveUp, patience, "did not end by itself");
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", onLine);
  }
  const ended = await new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not start: ${error.message}`));
    child.once("exit", (code, signal) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(giveUp, patience, "left its output open"); // a process that it started still has it open
      child.once("close", () => resolve(`ended with ${signal ?? `code ${code}`}`));
    });
  });
  clearTimeout(watchdog);
  if (results === undefined)
    return { problems: problems.length > 0 ? problems : [`${ended}, without results`] };
  const expected = `ended with code ${results.failed.length > 0 ? 1 : 0}`;
  if (ended !== expected && problems.length === 0) problems.push(ended);
  return { results, problems };
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  } catch {} // the group has no process any more
}

/**
 * Returns a problem for each process that the run started and that still runs. Works on Linux only; elsewhere it finds
 * none.
 */
function leftProcesses(child: ChildProcess): string[] {
  const left: string[] = [];
  for (const pid of readable("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [state, , group] = readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(group) !== child.pid || state === "Z") continue;
      left.push(
        `left a process behind: ${readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ")}`,
      );
    } catch {} // the process has ended in the meantime
  }
  return left;
}

/**
 * Returns a problem for each worker that did not end by itself. A worker's file stays empty until its time to end is
 * over: a worker that was killed earlier may only have been slow.
 */
function lingeringWorkers(directory: string): string[] {
  const kept = readable(directory).map((pid) => readFileSync(join(directory, pid), "utf8"));
  return kept
    .filter((active) => active !== "")
    .map((active) => `a test process did not end by itself: ${active}`);
}

function readable(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
