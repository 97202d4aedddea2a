import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { notifications } from "../../src/hono.ts";
import { createNotifier } from "../../src/mod.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { random } from "../simulation/random.ts";
import { entry } from "../support/runtime.ts";
import { driver } from "../support/sqlite-driver.ts";

/**
 * A server over a database of SQLite, which is killed again and again. It prints what it was told to be in the log: what
 * is printed must be there in the next life.
 */

/** The settings of the server, its last argument as JSON. */
export interface Settings {
  port: number;
  /** The database file. */
  file: string;
  /** The lease of the log, in milliseconds. */
  lease: number;
  seed: number;
  life: number;
  /** Whether it publishes nothing, and waits for SIGTERM. */
  isLast: boolean;
  /** A text in the command line that identifies the processes of one test run. */
  mark: string;
}

/** The content of the log, as the last life answers it. */
export interface Dump {
  epoch: string;
  publications: { offset: number; n: number }[];
  /** The types of the events of each run, by id. */
  runs: Record<string, string[]>;
}

const { port, file, lease, seed, life, isLast }: Settings = JSON.parse(process.argv.at(-1) ?? "");
const { serve, terminationSignal, upgradeWebSocket } = entry;
if (typeof driver === "string") throw new Error(driver);
const { below, chance } = random(seed * 1_000 + life);
const database = driver.open(file);
const signal = terminationSignal();
// Nothing is trimmed, so that everything can be checked at the end.
const log = sqliteLog({ database, lease, size: Infinity, bytes: Infinity, ttl: Infinity });
const notifier = createNotifier({
  log,
  signal,
  limits: { runTtl: Infinity, delivery: Infinity },
  onError: (error, { stage, owner }) => console.log(`error ${stage} of ${owner}: ${error}`),
});

const app = new Hono();
app.get("/dump", async (c) => {
  const { epoch, publications } = await notifier.history("news");
  const runs: Dump["runs"] = {};
  for (const { data } of (await notifier.history("runs")).publications) {
    const { run, type } = data as { run: string; type: string };
    if (type !== "run.started") continue;
    const events = (await notifier.history(`run:${run}`)).publications;
    runs[run] = events.map(({ data }) => (data as { type: string }).type);
  }
  const dump: Dump = {
    epoch,
    publications: publications.map(({ offset, data }) => ({ offset, n: (data as { n: number }).n })),
    runs,
  };
  return c.json(dump);
});
const events = notifications(notifier, {
  authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
  authorize: (_, { type, channel }) => type === "subscribe" && channel === "news",
});
app.get("/", upgradeWebSocket(events));
const server = await serve(app, { notifier, signal, port, grace: 3_000 });
// The first write waits until the log is this process's own.
await notifier.publish("lives", life);
console.log(`port ${server.port}`);
if (!isLast) void work();
await server.closed;
database.close();

async function work(): Promise<void> {
  const { offset } = await notifier.history("news", { limit: 0 });
  void startRuns();
  for (let n = offset + 1; !notifier.closing.aborted; ) {
    const burst = Array.from({ length: 1 + below(20) }, () => publish(n++));
    // Some bursts are awaited, and others overlap.
    if (chance(0.7)) await Promise.all(burst);
    await sleep(below(8));
  }
}

async function publish(n: number): Promise<void> {
  const { position } = await notifier.publish(
    "news",
    { n, text: "x".repeat(below(500)) },
    { confirm: chance(0.1), tags: chance(0.1) ? { kind: "tagged" } : undefined },
  );
  console.log(`published ${n} at ${position.offset} of ${position.epoch}`);
}

async function startRuns(): Promise<void> {
  for (let k = 1; !notifier.closing.aborted; k++) {
    const id = `${life}-${k}`;
    const steps = below(6);
    const isEndless = chance(0.3);
    const run = notifier.run(
      async function* ({ signal }) {
        for (let step = 0; step < steps || isEndless; step++) {
          yield { type: "step", step };
          await sleep(below(30), undefined, { signal });
        }
        return steps;
      },
      { id, owner: "nobody", channel: "runs" },
    );
    run.result().then(
      () => console.log(`ended ${id}`),
      () => {}, // it is cancelled when the server closes
    );
    await sleep(below(40));
  }
}
