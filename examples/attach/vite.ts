import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer as createVite } from "vite";
import { app, notifier } from "./app.ts";
import { attach } from "./attach.ts";

const server = createServer((request, response) => {
  if (!tocsin.request(request, response)) vite.middlewares(request, response);
});
const tocsin = attach(server, app, { notifier, path: "/notifications" });

// Vite adds its own listener for "upgrade". It handles only the upgrades of Vite's client, and ignores all others.
const vite = await createVite({ server: { middlewareMode: true, ws: { server } } });
server.on("upgrade", (request, socket, head) => {
  tocsin.upgrade(request, socket, head);
});

server.listen(Number(process.env.PORT ?? 5173), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

await notifier.closed; // every client of tocsin was closed with 3001
server.close();
await vite.close(); // closes Vite's WebSockets and file watcher; then the process ends by itself
