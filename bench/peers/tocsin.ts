import process from "node:process";
import { Hono } from "hono";
import type { UpgradeWebSocket } from "hono/ws";
import { notifications } from "../../src/hono.ts";
import type { App, ServeOptions, Server } from "../../src/hosts/host.ts";
import { createNotifier, memoryLog } from "../../src/mod.ts";
import { start } from "./program.ts";

/** tocsin with all its features: authentication, authorization, log, positions, send window and heartbeats. */
interface Entry {
  serve(app: App, options: ServeOptions): Promise<Server>;
  upgradeWebSocket: UpgradeWebSocket;
}
const entries = {
  node: () => import("../../src/node.ts"),
  bun: () => import("../../src/bun.ts"),
  deno: () => import("../../src/deno.ts"),
};
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const { serve, upgradeWebSocket } = (await entries[runtime]()) as unknown as Entry;
const { size, bytes } = JSON.parse(process.argv[2] ?? "{}") as { size?: number; bytes?: number };
const notifier = createNotifier({ log: memoryLog({ size, bytes }) });
const app = new Hono();
app.get(
  "/",
  upgradeWebSocket(
    notifications(notifier, {
      authenticate: (c) => ({ user: c.req.query("user") ?? "" }),
      authorize: (_peer, { channel }) => !channel.startsWith("private:"),
    }),
  ),
);
const { port } = await serve(app, { notifier, port: 0 });
start(port, (channel, event) => notifier.publish(channel, event));
