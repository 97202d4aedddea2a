import { serve, upgradeWebSocket } from "@hono/node-server";
import { Hono } from "hono";
import type { WSContext } from "hono/ws";
import { WebSocketServer } from "ws";
import { Channels, start } from "./program.ts";

/** Hono on Node without a library: uses the adapter's `upgradeWebSocket` and calls `send` for each socket in a Set. */
const channels = new Channels<WSContext>();
const app = new Hono();
app.get(
  "/",
  upgradeWebSocket((c) => {
    const channel = c.req.query("channel") ?? "";
    return {
      onOpen: (_, ws) => channels.add(channel, ws),
      onClose: (_, ws) => channels.delete(channel, ws),
    };
  }),
);
const websocket = { server: new WebSocketServer({ noServer: true, perMessageDeflate: false }) };
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1", websocket } as never, ({ port }) =>
  start(port, (channel, event) => {
    const text = JSON.stringify(event);
    for (const socket of channels.of(channel)) socket.send(text);
  }),
);
