import { type WebSocket, WebSocketServer } from "ws";
import { createProgram } from "./pages.ts";

/** A notifier on `ws`. Shutdown closes every client, then both servers. */
const topicsOf = new WeakMap<WebSocket, string[]>();
const program = createProgram((topic, data) => {
  const text = JSON.stringify(data);
  for (const client of sockets.clients) if (topicsOf.get(client)?.includes(topic)) client.send(text);
});
const sockets = new WebSocketServer({ server: program.server, path: "/notifications" });
sockets.on("connection", (client, request) => {
  client.on("error", () => {});
  topicsOf.set(
    client,
    new URL(request.url ?? "", "http://localhost").searchParams.get("topics")?.split(",") ?? [],
  );
});
program.start(async () => {
  const closed = new Promise((resolve) => sockets.close(resolve));
  for (const client of sockets.clients) client.close(1001, "going away");
  await new Promise((resolve) => program.server.close(resolve));
  await closed;
});
