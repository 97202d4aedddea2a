import { serve, terminationSignal, upgradeWebSocket } from "tocsin/node";
import { createApp } from "./app.ts";
import { openDatabase } from "./log.ts";
import { attend, start } from "./terminal.ts";

// npm start

const signal = terminationSignal();
const sqlite = await import("node:sqlite").catch(() => undefined); // Node has it from 22.13
await start(async () => {
  const database = openDatabase(sqlite && ((file) => new sqlite.DatabaseSync(file)));
  const { app, notifier } = await createApp({ upgradeWebSocket, signal, database });
  await attend(notifier, (port) => serve(app, { notifier, signal, port }));
  database?.close(); // only now: the notifier writes until it has closed, and leaves the database open
});
