import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { notifications } from "../../src/hono.ts";
import { createNotifier, type Pending } from "../../src/mod.ts";
import { serve, terminationSignal, upgradeWebSocket } from "../../src/node.ts";
import { redisLog } from "../../src/redis.ts";
import { random } from "../simulation/random.ts";
import { clientOf, type Package } from "../support/redis.ts";

/**
 * One of several servers over a log in Redis, which are killed again and again. It prints what it was told: what is printed
 * must be in the log at the end, whoever reads it.
 */

/** The settings of the server, its last argument as JSON. */
export interface Settings {
  /** The port of Redis, and the package whose client is used. */
  redis: number;
  package: Package;
  /** The lease of the log, in milliseconds. */
  lease: number;
  seed: number;
  /** The number of this life, which no other server has. */
  life: number;
  /** The number of publishers. */
  publishers: number;
  channels: readonly string[];
  /** A text in the command line that identifies the processes of one test run. */
  mark: string;
}

/** What the log holds in the end. */
export interface Dump {
  /** The publications of each channel, in order. */
  channels: Record<string, { offset: number; n: number; confirm: boolean }[]>;
  /** The types of the events of each run, by id. */
  runs: Record<string, string[]>;
  /** The types of the events that were announced of each run, by id. */
  announced: Record<string, string[]>;
}

/** Numbers of publications of one life. */
export const perLife = 1_000_000;

const settings: Settings = JSON.parse(process.argv.at(-1) ?? "");
const { redis, lease, seed, life, publishers, channels } = settings;
const { below, chance } = random(seed * 1_000 + life);
const signal = terminationSignal();
const stopping = new AbortController();
const log = redisLog({
  client: clientOf(settings.package, redis),
  ...{ lease, ttl: Infinity, size: Infinity, bytes: Infinity },
});
const notifier = createNotifier({
  log,
  signal,
  // What a client has read is known when it has answered a ping.
  heartbeat: 3_000,
  limits: { runTtl: Infinity, delivery: Infinity },
  onUndelivered: ({ channel, offset }, reason) =>
    console.log(`undelivered ${offset} of ${channel}: ${reason}`),
  onError: (error, { stage, owner }) => console.log(`error ${stage} of ${owner}: ${error}`),
});

const app = new Hono();
app.get("/stop", async (c) => {
  stopping.abort();
  await working;
  return c.json("stopped");
});
app.get("/waiting", (c) => {
  // The endings of runs wait too, and nobody follows those.
  const waits = ({ kind, owner }: Pending): boolean => kind === "publication" && !owner.includes(" of run:");
  return c.json(
    notifier
      .inspect()
      .filter(waits)
      .map(({ owner }) => owner),
  );
});
app.get("/dump", async (c) => c.json(await dump()));
const events = notifications(notifier, {
  authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
  authorize: (_, { type, channel }) => type === "subscribe" && channels.includes(channel),
});
app.get("/", upgradeWebSocket(events));
const server = await serve(app, { notifier, signal, port: 0, grace: 4_000 });
console.log(`port ${server.port}`);
let count = 0;
const working = work();
await server.closed;

async function work(): Promise<void> {
  await Promise.all([...Array.from({ length: publishers }, publishOn), startRuns()]);
}

async function publishOn(): Promise<void> {
  while (!stopping.signal.aborted && !signal.aborted) {
    const channel = channels[below(channels.length)] as string;
    // Some follow at once, and overlap.
    await Promise.all(Array.from({ length: 1 + below(3) }, () => publish(channel)));
    await sleep(100 + below(500));
  }
}

async function publish(channel: string): Promise<void> {
  const n = life * perLife + count++;
  const confirm = chance(0.2);
  const { position, delivered } = await notifier.publish(
    channel,
    { n, confirm, text: "x".repeat(below(300)) },
    { confirm },
  );
  console.log(`published ${n} at ${position.offset} of ${channel}`);
  if (confirm)
    void delivered().then(
      () => console.log(`delivered ${position.offset} of ${channel}`),
      () => {}, // it closes first, and another server waits for the delivery
    );
}

async function startRuns(): Promise<void> {
  const running: Promise<unknown>[] = [];
  for (let k = 1; !stopping.signal.aborted && !signal.aborted; k++) {
    const id = `${life}-${k}`;
    const steps = below(8);
    const run = notifier.run(
      async function* ({ signal }) {
        for (let step = 0; step < steps; step++) {
          yield { type: "step", step };
          await sleep(below(400), undefined, { signal });
        }
        return steps;
      },
      { id, owner: "nobody", channel: "runs" },
    );
    running.push(
      run.result().then(
        () => console.log(`ended ${id}`),
        () => {}, // it is lost, if this server stood still for too long
      ),
    );
    await sleep(100 + below(400));
  }
  await Promise.all(running);
}

async function dump(): Promise<Dump> {
  const found: Dump = { channels: {}, runs: {}, announced: {} };
  for (const channel of channels) {
    const { publications } = await notifier.history(channel);
    found.channels[channel] = publications.map(({ offset, data }) => {
      const { n, confirm } = data as { n: number; confirm: boolean };
      return { offset, n, confirm };
    });
  }
  for (const { data } of (await notifier.history("runs")).publications) {
    const { run, type } = data as { run: string; type: string };
    found.announced[run] = [...(found.announced[run] ?? []), type];
    if (found.runs[run] !== undefined) continue;
    const events = (await notifier.history(`run:${run}`)).publications;
    found.runs[run] = events.map(({ data }) => (data as { type: string }).type);
  }
  return found;
}
