import { createNotifier } from "tocsin";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node";
import { sqliteLog } from "tocsin/sqlite";
import { createApp } from "./app.ts";

const { DATABASE, PORT = "8000", TOKEN } = process.env;
const signal = terminationSignal();
const sqlite = DATABASE ? await import("node:sqlite") : undefined; // Node has it from 22.13
const database = sqlite && new sqlite.DatabaseSync(DATABASE as string);
const notifier = createNotifier({ log: database && sqliteLog({ database }), signal });
const server = await serve(createApp(notifier, upgradeWebSocket, TOKEN), {
  notifier,
  signal,
  hostname: "0.0.0.0",
  port: Number(PORT),
});
console.log(`Listening on ${server.url}`);
console.log(await server.closed);
database?.close(); // only now: the notifier writes until it has closed
