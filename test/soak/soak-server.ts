import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import { entry } from "../support/runtime.ts";

/** The server of the soak test, as a separate program. It prints its port and every unexpected error. */

/**
 * Milliseconds for which anything is kept: short enough that the amount of kept data is constant after the second
 * minute.
 */
const kept = 30_000;

const signal = entry.terminationSignal();
const notifier = createNotifier({
  signal,
  grace: 3_000,
  window: 32_768,
  heartbeat: 10_000,
  log: memoryLog({ ttl: kept, size: 200, slack: 0 }),
  limits: { runTtl: kept, slow: 10_000, idempotency: kept },
  rpc: { echo: (_, { data }) => data },
  onUndelivered: () => {},
  onError: (error) => console.log("unexpected:", error),
});

const app = new Hono();
app.get("/stats", (c) => {
  collect();
  return c.json({ ...notifier.stats(), ...process.memoryUsage() });
});
const authenticate = (c: { req: { query(name: string): string | undefined } }) => {
  const user = c.req.query("user") ?? "";
  return { user, channels: [`user:${user}`] };
};
app.get("/", entry.upgradeWebSocket(notifications(notifier, { authenticate, authorize: () => true })));
const server = await entry.serve(app, { notifier, signal, port: 0, grace: 3_000 });
console.log(`port ${server.port}`);
work().catch((error: unknown) => console.log("unexpected:", error));
await server.closed;
console.log(`closed ${JSON.stringify(notifier.stats())}`);

/** Starts runs and publishes with `confirm`, until closing begins. */
async function work(): Promise<void> {
  for (let n = 0; !notifier.closing.aborted; n++) {
    const run = notifier.run(
      async function* () {
        for (let step = 0; step < 5; step++) yield { type: "step", step };
        if (n % 3 === 0) throw new Error("fails now and then");
        return n;
      },
      { channel: "shared:0" },
    );
    run.result().catch(() => {});
    await notifier.publish(`user:${n % 2_000}`, { n }, { confirm: true, ttl: 5_000, idempotencyKey: `${n}` });
    await sleep(200, undefined, { signal: notifier.closing }).catch(() => {});
  }
}

function collect(): void {
  // biome-ignore lint/suspicious/noExplicitAny: the garbage collector's name differs by runtime, and may be missing.
  const { gc, Bun } = globalThis as any;
  if (Bun === undefined) gc?.();
  else Bun.gc(true);
}
