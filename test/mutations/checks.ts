import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { mark, type Results } from "../support/reporter.ts";
import { root } from "../support/runtimes.ts";
import { type Outcome, run, type Verdict } from "./child.ts";

/** A check that must fail if the code is mutated. */
export interface Check {
  readonly name: string;
  /** Runs the check in a copy of the project. A check that exceeds its time limit hangs, and counts as failed. */
  run(directory: string): Promise<Verdict>;
  /** Sets the time limit from the duration of the check without a mutation. */
  expect(seconds: number): void;
}

/** The minimum time limit of a check in milliseconds. */
const minLimit = 60_000;
/** The time limit as a multiple of the duration without a mutation. */
const factor = 5;

function createCheck(name: string, run: (directory: string, limit: number) => Promise<Verdict>): Check {
  let limit = 600_000;
  return {
    name,
    run: (directory) => run(directory, limit),
    expect(seconds) {
      limit = Math.max(minLimit, factor * seconds * 1000);
    },
  };
}

/** Runs 2000 schedules. Mutations that they do not catch are left to the tests. */
export const simulation: Check = createSimulation("simulation", ["test/simulation/run.ts", "--runs", "2000"]);

/** Runs 1500 schedules of several nodes over one store. */
export const simulationOfNodes: Check = createSimulation("simulation of nodes", [
  "test/simulation/nodes.ts",
  "--runs",
  "1500",
]);

function createSimulation(name: string, script: readonly string[]): Check {
  return createCheck(name, async (cwd, limit) => {
    const { seconds, hung, code, output } = await run(["--import", "tsx", ...script], { cwd, limit });
    const broken = /Seed (\d+) breaks a rule: (.*)/.exec(output);
    if (broken !== null) return { seconds, failure: `seed ${broken[1]}: ${broken[2]}` };
    if (hung) return { seconds, failure: "hangs" };
    // Node's exit code 13: a top-level await never settled, so the schedule did not reach its end.
    if (code === 13) return { seconds, failure: "never settles" };
    return { seconds, failure: code === 0 ? undefined : (errorIn(output) ?? `ends with code ${code}`) };
  });
}

const hostTests = [
  "test/bytes/raw-ends.test.ts",
  "test/bytes/raw-handshake.test.ts",
  "test/engine/hub/gaps.test.ts",
  "test/engine/hub/gate.test.ts",
  "test/engine/hub/refused.test.ts",
  "test/hosts/handshake.test.ts",
  "test/hosts/host.test.ts",
  "test/hosts/origins.test.ts",
];

/**
 * The tests that are not run for a mutation of the core: those that another check runs, and those of the source texts,
 * of the built package, and of whole programs in real time.
 */
const others =
  /^(bytes\/|checks\/(?!fuzz)|client\/|hosts\/|peer\/|workerd\/)|(bursts|centrifuge|centrifuge-recovery|comparison|delivered|cli)\.test\.ts$/;

const core = createSuite("tests of the core", (directory) =>
  testsUnder(directory).filter(
    (file) => !others.test(file.slice("test/".length)) && !file.startsWith("test/stores/redis/"),
  ),
);

const hosts = createSuite("tests of the hosts", () => hostTests);

const objects = createSuite("tests of objects", () => ["test/hosts/cloudflare"]);

const streams = createSuite("tests of streams", () => [
  ...["event-id", "refusals", "window", "leaving", "closing", "events"].map(
    (name) => `test/hosts/streams/${name}.test.ts`,
  ),
  "test/protocol/centrifuge",
]);

const onWorkerd = createSuite("tests on workerd", () => ["test/workerd"]);

const client = createSuite("tests of the client", (directory) =>
  testsUnder(directory).filter((file) => /^test\/client\/(?!http|pairs|sockets)/.test(file)),
);

const overHttp = createSuite("tests of the client over HTTP", () => ["test/client/http.test.ts"]);

function testsUnder(directory: string): string[] {
  return readdirSync(join(directory, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".test.ts"))
    .map((file) => `test/${file}`);
}

/** The tests of one room each: they are quick, and catch most of what is broken in it. */
const rooms = new Map(
  ["access", "base", "stores", "stores/redis", "stores/sqlite", "testing", "wire", ...engineRooms()].map(
    (room) => [
      room,
      createSuite(`tests of ${room}`, (directory) =>
        testsUnder(directory).filter((file) => isOf(room, file) && !others.test(file.slice(5))),
      ),
    ],
  ),
);

/** Commands are tested through the protocol. */
function isOf(room: string, file: string): boolean {
  // They take minutes, because they wait for a server in real time.
  if (file.startsWith("test/stores/redis/")) return room === "stores/redis";
  return (
    file.startsWith(`test/${room}/`) || (room === "engine/commands" && file.startsWith("test/protocol/wire-"))
  );
}

export const suites: readonly Check[] = [
  ...rooms.values(),
  core,
  hosts,
  objects,
  streams,
  onWorkerd,
  client,
  overHttp,
];

/** The rooms of the engine that have tests of their own. */
function engineRooms(): string[] {
  return readdirSync(join(root, "test/engine")).map((room) => `engine/${room}`);
}

/** Returns the checks for a mutation in a source file, the fastest first. */
export function checksFor(file: string): Check[] {
  if (file === "client/http.ts") return [overHttp];
  if (file.startsWith("client/")) return [client];
  if (file.startsWith("hosts/streams/") || file === "hosts/posting.ts") return [streams];
  if (file.startsWith("hosts/cloudflare/")) return [objects, onWorkerd];
  if (file.startsWith("hosts/")) return [hosts];
  const room = rooms.get(dirname(file));
  // Only its own tests use it.
  if (room !== undefined && ["stores/redis", "stores/sqlite", "testing"].includes(dirname(file)))
    return file.startsWith("testing/shared-") ? [room, simulationOfNodes] : [room];
  const ofNodes = /^engine\/(nodes|hub|delivery|runs|log)\//.test(file) ? [simulationOfNodes] : [];
  return [...(room === undefined ? [] : [room]), simulation, ...ofNodes, core];
}

function createSuite(name: string, filesIn: (directory: string) => string[]): Check {
  return createCheck(name, async (cwd, limit) => {
    const vitest = ["node_modules/vitest/vitest.mjs", "run", "--bail", "1"];
    vitest.push("--project", "suite", "--project", "models", "--project", "redis", "--project", "workerd");
    const args = [...vitest, "--maxWorkers", "1", "--reporter", "test/support/reporter.ts", ...filesIn(cwd)];
    // The first failure is enough. The process may then live on for a long time, because of what the mutation has
    // leaked.
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
  const { passed, failed: failures } = JSON.parse(results) as Results;
  return passed > 0 && failures.length === 0 && code === 0
    ? undefined
    : `${failures.length} failed, code ${code}`;
}

/** Returns the first line of the output that names an error. */
function errorIn(output: string): string | undefined {
  return /^\s*(?:\[cause\]: )?(\w*Error\b.*)$/m.exec(output)?.[1];
}
