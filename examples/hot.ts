import { Hono } from "hono";
import { createNotifier } from "tocsin";
import { type Server, serve, upgradeWebSocket } from "tocsin/bun";
import { notifications } from "tocsin/hono";

// bun --hot examples/hot.ts

// Each reload runs this module again and creates a new notifier. Closing the old server closes its clients with 3001.
// They reconnect to the new one.
const kept = globalThis as { server?: Server };
await kept.server?.close();

const notifier = createNotifier();
const app = new Hono();
app.get("/notifications", upgradeWebSocket(notifications(notifier)));

kept.server = await serve(app, { notifier, port: Number(process.env.PORT ?? 3000) });
console.log(`Listening on ${kept.server.url}`);
