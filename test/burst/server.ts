import { Hono } from "hono";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import type { Notifier } from "../../src/engine/notifier/notifier.ts";
import { notifications } from "../../src/hono.ts";
import { entry } from "../support/runtime.ts";
import { type How, payload } from "./burst.ts";

/**
 * A server that publishes a burst, as fast as it can, for each HTTP request to `/burst`. It has the default settings.
 * The option `raised` raises the limits on what a client may send.
 */

const { raised = false } = JSON.parse(process.argv.at(-1) ?? "{}") as { raised?: boolean };
const { serve, terminationSignal, upgradeWebSocket } = entry;
const signal = terminationSignal();
const limits = raised ? { rate: 10_000, burst: 10_000, commands: 10_000, commandChars: 16_777_216 } : {};
const notifier: Notifier = createNotifier({ signal, limits });

/** Functions that start the burst of a run, by the id of the run. */
const gates = new Map<string, () => void>();
const works = new Map<string, Promise<unknown>>();

/** Starts a run that waits until its gate is opened. */
function prepare(how: How, id: string, count: number): void {
  const gate = new Promise<void>((resolve) => gates.set(id, resolve));
  const options = { id, owner: "ann" };
  const run =
    how === "yields"
      ? notifier.run(async function* () {
          await gate;
          for (let n = 1; n <= count; n++) yield { type: "step", ...payload(n) };
        }, options)
      : notifier.run(async ({ emit }) => {
          await gate;
          await Promise.all(
            Array.from({ length: count }, (_, i) => emit({ type: "step", ...payload(i + 1) })),
          );
        }, options);
  works.set(id, run.result());
}

const bursts: Record<How, (channel: string, count: number) => unknown> = {
  async awaited(channel, count) {
    for (let n = 1; n <= count; n++) await notifier.publish(channel, payload(n));
  },
  loose: (channel, count) =>
    Promise.all(Array.from({ length: count }, (_, i) => notifier.publish(channel, payload(i + 1)))),
  yields(id) {
    gates.get(id)?.();
    return works.get(id);
  },
  emits(id) {
    gates.get(id)?.();
    return works.get(id);
  },
};

/** The longest delay of a turn of the event loop during the burst, in milliseconds. */
let latest = 0;
let last = performance.now();
const ticking = setInterval(() => {
  const now = performance.now();
  latest = Math.max(latest, now - last - 5);
  last = now;
}, 5);

const app = new Hono();
app.post("/prepare/:how/:id/:count", (c) => {
  const { how, id, count } = c.req.param();
  prepare(how as How, id, Number(count));
  return c.json({});
});
app.post("/burst/:how/:channel/:count", async (c) => {
  const { how, channel, count } = c.req.param();
  latest = 0;
  last = performance.now();
  const began = performance.now();
  await bursts[how as How](channel, Number(count));
  const ms = Math.round(performance.now() - began);
  return c.json({ ms, latest: Math.round(latest), limits: notifier.totals().limits });
});
app.post("/endless/:id", (c) => {
  const { id } = c.req.param();
  const work = notifier.run(
    async function* () {
      for (let n = 1; ; n++) yield { type: "step", n };
    },
    { id, owner: "ann" },
  );
  work.result().catch(() => {});
  return c.json({ run: work.id });
});
const events = notifications(notifier, {
  authenticate: () => ({ user: "ann", channels: ["granted"] }),
  authorize: () => true,
});
app.get("/", upgradeWebSocket(events));
const server = await serve(app, { notifier, signal, port: 0 });
console.log(`port ${server.port}`);
const { runs } = await server.closed;
clearInterval(ticking);
console.log(`closed ${JSON.stringify(runs)}`);
