import { Hono } from "hono";
import { notifications } from "../../src/hono.ts";
import { createNotifier } from "../../src/mod.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { entry } from "./runtime.ts";
import { driver } from "./sqlite-driver.ts";

/**
 * A server over a database that another process may work with. It publishes one number after the other, and prints where
 * each is. Its last argument is the database file and the lease, as JSON.
 */

const { file, lease } = JSON.parse(process.argv.at(-1) ?? "") as { file: string; lease: number };
const { serve, terminationSignal, upgradeWebSocket } = entry;
if (typeof driver === "string") throw new Error(driver);
const database = driver.open(file);
const signal = terminationSignal();
const notifier = createNotifier({
  log: sqliteLog({ database, lease }),
  signal,
  onError: (error) => console.log(`error ${(error as Error).message}`),
});
const app = new Hono();
const authenticate = () => ({ user: "ann", channels: ["news"] });
app.get("/", upgradeWebSocket(notifications(notifier, { authenticate })));
const server = await serve(app, { notifier, signal, port: 0 });
console.log(`port ${server.port}`);
void publish();
await server.closed;
database.close();
console.log("closed");

async function publish(): Promise<void> {
  for (let n = 1; ; n++) {
    try {
      const { position } = await notifier.publish("news", n);
      console.log(`published at ${position.offset} of ${position.epoch}`);
    } catch (error) {
      console.log(`refused ${(error as Error).name} lasting ${(error as { lasting?: boolean }).lasting}`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
