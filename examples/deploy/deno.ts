import { DatabaseSync } from "node:sqlite";
import { createNotifier } from "tocsin";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/deno";
import { sqliteLog } from "tocsin/sqlite";
import { createApp } from "./app.ts";

const { DATABASE, PORT = "8000", TOKEN } = process.env;
const signal = terminationSignal();
const database = DATABASE ? new DatabaseSync(DATABASE) : undefined;
const notifier = createNotifier({ log: database && sqliteLog({ database }), signal });
const server = await serve(createApp(notifier, upgradeWebSocket, TOKEN), {
  notifier,
  signal,
  hostname: "0.0.0.0",
  port: Number(PORT),
  grace: 4_000, // milliseconds; Deno Deploy sends SIGKILL 5 s after SIGINT
});
console.log(`Listening on ${server.url}`);
console.log(await server.closed);
database?.close(); // only now: the notifier writes until it has closed
