import process from "node:process";
import { Hono } from "hono";
import { createClient } from "redis";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node";
import { redisLog } from "tocsin/redis";
import { createApp } from "../fingerprint/app.ts";
import { keptFor } from "../fingerprint/log.ts";

// One of the servers that run.ts starts: node --import tsx examples/cluster/server.ts <its name> <the port of Redis>

const [, , name = "", redis] = process.argv;
const orphaned = new AbortController();
process.once("disconnect", () => orphaned.abort(new Error("The process that started this one is gone")));
const signal = AbortSignal.any([terminationSignal(), orphaned.signal]);

const client = createClient({ url: `redis://127.0.0.1:${redis}` });
// Runs of a server that was killed are lost after the lease: 3 s, so that nobody waits long for it in a demo. A server that
// stands still for so long loses its runs, so a real one keeps the default.
const log = redisLog({ client, ttl: keptFor, lease: 3_000 });
const { app, notifier } = await createApp({ upgradeWebSocket, signal, log });

const named = new Hono();
named.use("/runs", async (c, next) => {
  await next();
  c.header("Served-By", name);
});
named.route("/", app);

const server = await serve(named, { notifier, signal, port: 0 });
process.send?.(server.port);
await server.closed;
if (process.connected) process.disconnect();
