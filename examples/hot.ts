import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { type Server, serve, upgradeWebSocket } from "tocsin/bun";
import { notifications } from "tocsin/hono";

// bun --hot examples/hot.ts

// Run again, this module has a notifier of its own. Clients of the old one are closed with 3001, and come back to it.
const kept = globalThis as { server?: Server };
await kept.server?.close();

const notifier = createNotifier();
const app = new Hono();
app.get("/notifications", upgradeWebSocket(notifications(notifier)));

kept.server = await serve(app, { notifier, port: Number(process.env.PORT ?? 3000) });
console.log(`Listening on ${kept.server.url}`);
