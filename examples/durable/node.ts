import { DatabaseSync } from "node:sqlite";
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { createNotifier } from "tocsin";
import { notifications } from "tocsin/hono";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node";
import { sqliteLog } from "tocsin/sqlite";

const database = new DatabaseSync("notifications.db");
const signal = terminationSignal();
const notifier = createNotifier({ log: sqliteLog({ database }), signal });

const app = new Hono();
const events = notifications(notifier, { authenticate: () => ({ user: "", channels: ["news"] }) });
app.get("/notifications", upgradeWebSocket(events));
const token = process.env.TOKEN ?? crypto.randomUUID(); // of whoever may publish
app.post("/news", bearerAuth({ token }), async (c) => {
  const { position } = await notifier.publish("news", await c.req.json());
  return c.json(position, 201); // a crash from here on does not lose it
});

const server = await serve(app, { notifier, signal, port: Number(process.env.PORT ?? 3000) });
console.log(server.url);
await server.closed;
database.close(); // You have opened it, so you close it: after the notifier, which writes to the end.
