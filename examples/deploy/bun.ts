import { Database } from "bun:sqlite";
import { createNotifier } from "tocsin";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/bun";
import { sqliteLog } from "tocsin/sqlite";
import { createApp } from "./app.ts";

const { DATABASE, PORT = "8000", TOKEN } = process.env;
const signal = terminationSignal();
const database = DATABASE ? new Database(DATABASE) : undefined;
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
