import { Database } from "bun:sqlite";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/bun";
import { createApp } from "./app.ts";
import { openDatabase } from "./log.ts";
import { attend, start } from "./terminal.ts";

// bun examples/fingerprint/bun.ts

const signal = terminationSignal();
await start(async () => {
  const database = openDatabase((file) => new Database(file));
  const { app, notifier } = await createApp({ upgradeWebSocket, signal, database });
  await attend(notifier, (port) => serve(app, { notifier, signal, port }));
  database?.close(); // only now: the notifier writes until it has closed, and leaves the database open
});
