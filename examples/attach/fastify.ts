import { createServer } from "node:http";
import { fastify } from "fastify";
import { WebSocketServer } from "ws";
import { app, notifier, signal } from "./app.ts";
import { attach } from "./attach.ts";

const site = fastify({
  // This runs before Fastify: otherwise Fastify would parse the bodies of requests for the Hono app.
  serverFactory: (handler) =>
    createServer((request, response) => {
      if (!tocsin.request(request, response)) handler(request, response);
    }),
});
const tocsin = attach(site.server, app, { notifier, path: "/notifications" });

site.get("/", () => "Hello from Fastify");
site.post("/orders", async (_request, reply) => {
  await notifier.publish("user:ann", { text: "Your order is on its way" });
  return reply.code(202).send();
});

const chat = new WebSocketServer({ noServer: true, path: "/chat" }); // refuses other paths with 400
chat.on("connection", (webSocket) => webSocket.send("Hello from the chat"));

site.server.on("upgrade", (request, socket, head) => {
  if (tocsin.upgrade(request, socket, head)) return;
  chat.handleUpgrade(request, socket, head, (webSocket) => chat.emit("connection", webSocket, request));
});

// Fastify closes its server after this hook. By then every client of tocsin was closed with 3001.
site.addHook("preClose", async () => {
  await notifier.close();
  for (const webSocket of chat.clients) webSocket.close(1001);
});

const port = Number(process.env.PORT ?? 3000);
console.log(`Listening on ${await site.listen({ port, host: "127.0.0.1", signal })}`);
