import { readdirSync } from "node:fs";
import { join } from "node:path";
import { mark, type Results } from "../reporter.ts";
import { type Outcome, run, type Verdict } from "./child.ts";

/** Something that has to fail on a fault. */
export interface Check {
  readonly name: string;
  /** Runs it in a copy of the project. What takes far longer than it should hangs, and has failed. */
  run(directory: string): Promise<Verdict>;
  /** Says how long it takes where nothing is broken. */
  expect(seconds: number): void;
}

/** Milliseconds that a check gets in any case, and how many times as long as without a fault. */
const least = 60_000;
const times = 5;

function createCheck(name: string, run: (directory: string, limit: number) => Promise<Verdict>): Check {
  let limit = 600_000;
  return {
    name,
    run: (directory) => run(directory, limit),
    expect(seconds) {
      limit = Math.max(least, times * seconds * 1000);
    },
  };
}

/** Fewer schedules than the suite has: what these do not catch is for the tests. */
export const simulation: Check = createCheck("simulation", async (cwd, limit) => {
  const args = ["--import", "tsx", "test/simulation/run.ts", "--runs", "2000"];
  const { seconds, hung, code, output } = await run(args, { cwd, limit });
  const broken = /Seed (\d+) breaks a rule: (.*)/.exec(output);
  if (broken !== null) return { seconds, failure: `seed ${broken[1]}: ${broken[2]}` };
  if (hung) return { seconds, failure: "hangs" };
  // 13: nothing was left to wait for, and the schedule not at its end.
  if (code === 13) return { seconds, failure: "never settles" };
  return { seconds, failure: code === 0 ? undefined : (errorIn(output) ?? `ends with code ${code}`) };
});

const hostTests = [
  "test/gaps.test.ts",
  "test/gate.test.ts",
  "test/handshake.test.ts",
  "test/host.test.ts",
  "test/origins.test.ts",
  "test/raw-ends.test.ts",
  "test/raw-handshake.test.ts",
  "test/refused.test.ts",
];
const clientTests = [
  "test/client.test.ts",
  "test/client-dial.test.ts",
  "test/client-granted.test.ts",
  "test/client-input.test.ts",
  "test/feed.test.ts",
  "test/link.test.ts",
];
/** Run elsewhere, or about something else: the sources as texts, what is built, and whole programs in real time. */
const others = [
  ...clientTests,
  "test/client-size.test.ts",
  "test/comparison.test.ts",
  "test/pairs.test.ts",
  "test/centrifuge.test.ts",
  "test/centrifuge-recovery.test.ts",
  "test/chromium.test.ts",
  "test/delivered.test.ts",
  "test/demo.test.ts",
  "test/docs.test.ts",
  "test/handshake.test.ts",
  "test/host.test.ts",
  "test/hot.test.ts",
  "test/mutations.test.ts",
  "test/package.test.ts",
  "test/raw-content.test.ts",
  "test/raw-ends.test.ts",
  "test/raw-flow.test.ts",
  "test/raw-frames.test.ts",
  "test/raw-handshake.test.ts",
  "test/raw-messages.test.ts",
  "test/readme.test.ts",
  "test/shutdown.test.ts",
  "test/simulation.test.ts",
  "test/size.test.ts",
  "test/cli.test.ts",
  "test/walls.test.ts",
];

const core = createSuite("tests of the core", (directory) =>
  readdirSync(join(directory, "test"))
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`)
    .filter((file) => !others.includes(file)),
);

const hosts = createSuite("tests of the hosts", () => hostTests);

const client = createSuite("tests of the client", () => clientTests);

export const suites: readonly Check[] = [core, hosts, client];

/** Which checks have a say about a source file, the quickest first. */
export function checksFor(file: string): Check[] {
  if (file.startsWith("client/")) return [client];
  return file.startsWith("hosts/") ? [hosts] : [simulation, core];
}

function createSuite(name: string, filesIn: (directory: string) => string[]): Check {
  return createCheck(name, async (cwd, limit) => {
    const vitest = ["node_modules/vitest/vitest.mjs", "run", "--project", "suite", "--bail", "1"];
    const args = [...vitest, "--maxWorkers", "1", "--reporter", "test/reporter.ts", ...filesIn(cwd)];
    // The first failure is enough; what a fault has leaked may keep the process for long after it.
    const outcome = await run(args, { cwd, limit, until: /^FAILED .*$/m });
    return { seconds: outcome.seconds, failure: failureOf(outcome) };
  });
}

function failureOf({ hung, code, output }: Outcome): string | undefined {
  const failed = /^FAILED (.*)$/m.exec(output)?.[1];
  if (failed !== undefined) return failed;
  const results = output.split(mark)[1]?.split("\n")[0];
  if (hung) return results === undefined ? "hangs" : "does not end by itself";
  if (results === undefined) return errorIn(output) ?? `ends with code ${code}`;
  const { passed, failed: count } = JSON.parse(results) as Results;
  return passed > 0 && count === 0 && code === 0 ? undefined : `${count} failed, code ${code}`;
}

/** The first line that names an error. */
function errorIn(output: string): string | undefined {
  return /^\s*(?:\[cause\]: )?(\w*Error\b.*)$/m.exec(output)?.[1];
}
