import { Hono } from "hono";
import { createNotifier } from "../../src/engine/notifier/create-notifier.ts";
import { notifications } from "../../src/hono.ts";
import { smallMessages } from "../support/limits.ts";
import { entry } from "../support/runtime.ts";
import { isOurs, peersAt, rpc, startRuns } from "./handlers.ts";

/** The server that is fuzzed, as a separate program. It prints its port and every unexpected error. */
const signal = entry.terminationSignal();
const onError = (error: unknown): void => {
  if (!isOurs(error)) console.log("unexpected:", error);
};
const notifier = createNotifier({
  signal,
  grace: 1_000,
  rpc,
  limits: smallMessages,
  onError,
  onRefused() {},
});
const peers = peersAt(Date.now);
startRuns(notifier);

const app = new Hono();
app.get("/stats", (c) => c.json({ ...notifier.stats(), ...process.memoryUsage() }));
for (const [at, { authorize, ...identity }] of peers.entries()) {
  const events = notifications(notifier, { authenticate: () => identity, authorize });
  app.get(`/${at}`, entry.upgradeWebSocket(events));
}
const server = await entry.serve(app, { notifier, signal, port: 0, grace: 1_000 });
console.log(`port ${server.port}`);
await server.closed;
console.log(`closed ${JSON.stringify(notifier.stats())}`);
