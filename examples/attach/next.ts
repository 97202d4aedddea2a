import { createServer, Server } from "node:http";
import type { AddressInfo } from "node:net";
import next from "next";
import { app, notifier } from "./app.ts";
import { attach } from "./attach.ts";

// At its first request Next adds a listener for "upgrade" to `httpServer`. On the real server the listener would get
// every upgrade, and would end those whose path matches a page. So Next gets this server, which never listens on a
// port. It gets only the upgrades that we pass on.
const upgrades = new Server();
const dev = process.env.NODE_ENV !== "production";
const site = next({ dev, httpServer: upgrades });
await site.prepare();
const handle = site.getRequestHandler();

const server = createServer((request, response) => {
  if (!tocsin.request(request, response)) void handle(request, response);
});
const tocsin = attach(server, app, { notifier, path: "/notifications" });

server.on("upgrade", (request, socket, head) => {
  if (tocsin.upgrade(request, socket, head)) return;
  // These are the upgrades for hot reloading and for rewrites. Before its first request Next has no listener.
  if (!upgrades.emit("upgrade", request, socket, head)) socket.destroy();
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

await notifier.closed; // every client of tocsin was closed with 3001
server.close();
await site.close(); // then the process ends by itself
