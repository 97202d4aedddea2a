import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import { WebSocketServer } from "ws";
import { app, notifier } from "./app.ts";
import { attach } from "./attach.ts";

const site = express();
const server = createServer(site);
const tocsin = attach(server, app, { notifier, path: "/notifications" });

// This must come first: otherwise a body parser would read the bodies of requests for the Hono app.
site.use((request, response, next) => {
  if (!tocsin.request(request, response)) next();
});
site.use(express.json());
site.get("/", (_request, response) => {
  response.send("Hello from Express");
});
site.post("/orders", async (_request, response) => {
  await notifier.publish("user:ann", { text: "Your order is on its way" });
  response.sendStatus(202);
});

const chat = new WebSocketServer({ noServer: true, path: "/chat" }); // refuses other paths with 400
chat.on("connection", (webSocket) => webSocket.send("Hello from the chat"));

server.on("upgrade", (request, socket, head) => {
  if (tocsin.upgrade(request, socket, head)) return;
  chat.handleUpgrade(request, socket, head, (webSocket) => chat.emit("connection", webSocket, request));
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

await notifier.closed; // every client of tocsin was closed with 3001
for (const webSocket of chat.clients) webSocket.close(1001);
server.close(); // the process ends after the last response
