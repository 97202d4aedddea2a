import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { missing } from "../support/redis.ts";
import { root } from "../support/runtimes.ts";
import { driver } from "../support/sqlite-driver.ts";
import { type Check, checksFor, simulation, suites } from "./checks.ts";
import { stopAll, type Verdict } from "./child.ts";
import { type Mutation, mutations } from "./list.ts";

/**
 * Applies one mutation at a time to a copy of the sources, and checks that the tests catch it:
 * `npm run mutate -- [--only text]… [--every N] [--jobs N]`.
 */

interface Outcome {
  mutation: Mutation;
  /** The check that caught the mutation. Undefined if the mutation survived. */
  caught: (Verdict & { by: string }) | undefined;
}

/** The files and folders of a copy. It also has a symbolic link to the installed packages. */
const copied = [
  "src",
  "test",
  "examples",
  "docs",
  "README.md",
  "package.json",
  "deno.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "build.ts",
  "vitest.config.ts",
];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [""] },
    every: { type: "string", default: "1" },
    jobs: { type: "string", default: "2" },
  },
});
const [jobs, every] = [Number(values.jobs), Number(values.every)];
if (![jobs, every].every((each) => Number.isSafeInteger(each) && each >= 1))
  throw new RangeError("Cannot mutate: --jobs and --every must be whole numbers of at least 1");
const testable = mutations.filter(({ file }) => {
  if (file.startsWith("stores/redis/")) return missing === undefined;
  return typeof driver !== "string" || !file.startsWith("stores/sqlite/");
});
if (missing !== undefined) console.log(`The mutations of the log in Redis are left out: ${missing}`);
if (typeof driver === "string") console.log(`The mutations of the log in SQLite are left out: ${driver}`);
const wanted = testable
  .filter(({ name, file }) => values.only.some((text) => `${file}: ${name}`.includes(text)))
  .filter((_, at) => at % every === 0);
if (wanted.length === 0) throw new RangeError(`Cannot mutate: no mutation is called "${values.only}"`);

const began = performance.now();
const parent = mkdtempSync(join(tmpdir(), "tocsin-mutations-"));
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted = true;
    stopAll();
  });
}
try {
  await mutateAll();
} finally {
  stopAll();
  rmSync(parent, { recursive: true, force: true });
}

async function mutateAll(): Promise<void> {
  const copies = Array.from({ length: Math.min(jobs, wanted.length) }, (_, job) => copy(String(job)));
  checkPlaces(copies[0] as string);
  if (!(await passesUnbroken(copies[0] as string))) {
    process.exitCode = 1;
    return;
  }
  const queue = [...wanted];
  const outcomes: Outcome[] = [];
  const work = async (directory: string): Promise<void> => {
    for (let next = queue.shift(); next !== undefined && !interrupted; next = queue.shift()) {
      const outcome = await tryOut(next, directory);
      if (interrupted) return;
      outcomes.push(outcome);
      console.log(line(outcome));
    }
  };
  await Promise.all(copies.map(work));
  summarize(outcomes);
}

function copy(name: string): string {
  const directory = join(parent, name);
  for (const each of copied) cpSync(join(root, each), join(directory, each), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  return directory;
}

function checkPlaces(directory: string): void {
  const places = ({ file, from }: Mutation): number =>
    readFileSync(join(directory, "src", file), "utf8").split(from).length - 1;
  const off = wanted.filter((mutation) => places(mutation) !== 1).map(({ file, name }) => `${file}: ${name}`);
  if (off.length > 0)
    throw new Error(`Cannot mutate: the text does not occur exactly once: ${off.join("; ")}`);
}

/**
 * Returns whether all needed checks pass without a mutation. A check that fails then would catch every mutation. The
 * durations also set the time limits of the checks.
 */
async function passesUnbroken(directory: string): Promise<boolean> {
  const needed = new Set(wanted.flatMap(({ file }) => checksFor(file)));
  for (const check of [simulation, ...suites].filter((each) => needed.has(each))) {
    const verdict = await check.run(directory);
    if (verdict.failure !== undefined || interrupted) {
      console.log(`${check.name} fails without a mutation: ${verdict.failure ?? "interrupted"}`);
      return false;
    }
    check.expect(verdict.seconds);
    console.log(`${check.name} passes without a mutation (${verdict.seconds.toFixed(1)} s)`);
  }
  return true;
}

async function tryOut(mutation: Mutation, directory: string): Promise<Outcome> {
  const file = join(directory, "src", mutation.file);
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, whole.split(mutation.from).join(mutation.to));
  try {
    return { mutation, caught: await firstFailure(checksFor(mutation.file), directory) };
  } finally {
    writeFileSync(file, whole);
  }
}

async function firstFailure(checks: readonly Check[], directory: string): Promise<Outcome["caught"]> {
  let seconds = 0;
  for (const check of checks) {
    const verdict = await check.run(directory);
    seconds += verdict.seconds;
    if (verdict.failure !== undefined) return { by: check.name, failure: verdict.failure, seconds };
  }
  return undefined;
}

function line({ mutation: { file, name }, caught }: Outcome): string {
  const title = `${file}: ${name}`;
  if (caught === undefined) return `SURVIVED ${title}`;
  return `caught ${title}\n  by the ${caught.by} in ${caught.seconds.toFixed(1)} s: ${caught.failure}`;
}

function summarize(outcomes: readonly Outcome[]): void {
  const survivors = outcomes.filter(({ caught }) => caught === undefined);
  const bySimulation = outcomes.filter(({ caught }) => caught?.by === simulation.name).length;
  const bySuite = outcomes.length - survivors.length - bySimulation;
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(
    `total: ${outcomes.length} of ${wanted.length} mutations tried, ${bySimulation} caught by the simulation, ` +
      `${bySuite} by the suite, ${survivors.length} survived, in ${seconds} s`,
  );
  for (const { mutation } of survivors) console.log(`survived: ${mutation.file}: ${mutation.name}`);
  if (survivors.length > 0 || outcomes.length < wanted.length) process.exitCode = 1;
}
