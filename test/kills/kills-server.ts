import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { notifications } from "../../src/hono.ts";
import { type CloseReport, createNotifier } from "../../src/mod.ts";
import { random } from "../simulation/random.ts";
import { entry } from "../support/runtime.ts";

/** The server that is killed. It publishes on one channel, and in one run for each user, until it ends. */

/** The settings of the server, its last argument as JSON. */
export interface Settings {
  port: number;
  grace: number;
  /** The seed for the number, the size and the times of publications. */
  seed: number;
  /** The users. One run is started for each. */
  users: string[];
  /** A text in the command line that identifies the processes of one test run. */
  mark: string;
}

/** What the server prints once it has closed. */
export interface Closed {
  report: CloseReport;
  /** The offset of the last publication on each channel. */
  tops: Record<string, number>;
  /** The offsets of the publications on `news` with `confirm`. */
  confirmed: number[];
  /** Those of them that were reported as undelivered, at any time. */
  undelivered: number[];
  /** Everything that the notifier still counts or owns. */
  left: unknown[];
}

const { port, grace, seed, users }: Settings = JSON.parse(process.argv.at(-1) ?? "");
const { serve, terminationSignal, upgradeWebSocket } = entry;
const { below, chance } = random(seed);
const signal = terminationSignal();
const confirmed: number[] = [];
const undelivered: number[] = [];
const notifier = createNotifier({
  signal,
  grace,
  onUndelivered({ channel, offset }) {
    if (channel === "news") undelivered.push(offset);
  },
  onError: (error, { stage, owner }) => console.log(`error ${stage} of ${owner}: ${error}`),
});
const tops: Record<string, number> = {};

for (const user of users) {
  const channel = `run:${user}`;
  // The start and the ending of a run are publications too.
  tops[channel] = 2;
  const run = notifier.run(
    async function* ({ signal }) {
      for (let n = 1; ; n++) {
        yield { type: "step", n, text: "x".repeat(below(300)) };
        tops[channel] = n + 2;
        await sleep(below(20), undefined, { signal });
      }
    },
    { id: user, owner: user },
  );
  run.result().catch(() => {}); // it is cancelled when the server closes
}

/** Publishes one publication, and records its offset once it is in the log. */
async function publish(n: number): Promise<void> {
  const confirm = chance(0.05);
  const { position } = await notifier.publish("news", { n, text: "x".repeat(below(1_000)) }, { confirm });
  tops.news = Math.max(tops.news ?? 0, position.offset);
  if (confirm) confirmed.push(position.offset);
}

/** Publishes bursts until closing begins. Publications that are not in the log by then are refused. */
async function publishOn(): Promise<void> {
  for (let n = 1; !notifier.closing.aborted; ) {
    await Promise.allSettled(Array.from({ length: 1 + below(10) }, () => publish(n++)));
    await sleep(below(20), undefined, { signal: notifier.closing }).catch(() => {});
  }
}

const app = new Hono();
const events = notifications(notifier, {
  authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
  authorize: (_, action) => action.type === "subscribe" && action.channel === "news",
});
app.get("/", upgradeWebSocket(events));
const server = await serve(app, { notifier, signal, port, grace });
console.log(`port ${server.port}`);
const publishing = publishOn();
const report = await server.closed;
await publishing;
const counts = Object.entries(notifier.stats()).filter(([, count]) => count !== 0);
const left = [...counts, ...notifier.inspect()];
const closed: Closed = { report, tops, confirmed, undelivered, left };
console.log(`closed ${JSON.stringify(closed)}`);
