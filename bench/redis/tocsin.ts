import process from "node:process";
import { Hono } from "hono";
import { createClient } from "redis";
import { notifications } from "../../src/hono.ts";
import { createNotifier } from "../../src/mod.ts";
import { serve, upgradeWebSocket } from "../../src/node.ts";
import { redisLog } from "../../src/redis.ts";
import { start } from "../peers/program.ts";

/** A node of tocsin over Redis, with the defaults of everything. Its last argument has the port of Redis, as JSON. */
const { redis } = JSON.parse(process.argv.at(-1) ?? "") as { redis: number };
const log = redisLog({ client: createClient({ url: `redis://127.0.0.1:${redis}` }) });
const notifier = createNotifier({ log });
const events = notifications(notifier, {
  authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
  authorize: (_peer, { channel }) => !channel.startsWith("private:"),
});
const { port } = await serve(new Hono().get("/", upgradeWebSocket(events)), { notifier, port: 0 });
start(port, (channel, event) => notifier.publish(channel, event));
