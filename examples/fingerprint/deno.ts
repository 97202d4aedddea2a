import { DatabaseSync } from "node:sqlite";
import { serve, terminationSignal, upgradeWebSocket } from "tocsin/deno";
import { createApp } from "./app.ts";
import { openDatabase } from "./log.ts";
import { attend, start } from "./terminal.ts";

// deno run --allow-net=127.0.0.1 --allow-env=PORT,TOCSIN_DEMO_DB --allow-read --allow-write=.cache
//   examples/fingerprint/deno.ts
// The program needs no other permissions. --allow-read can be limited to the folders to be read and this project.

const signal = terminationSignal();
await start(async () => {
  const database = openDatabase((file) => new DatabaseSync(file));
  const { app, notifier } = await createApp({ upgradeWebSocket, signal, database });
  await attend(notifier, (port) => serve(app, { notifier, signal, port }));
  database?.close(); // only now: the notifier writes until it has closed, and leaves the database open
});
