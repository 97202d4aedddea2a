import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { Backlog, Channels, channelOf, start } from "./program.ts";

/** `ws` without another library: calls `send` for each socket in a Set. */
const channels = new Channels<WebSocket>();
const backlog = new Backlog();
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
server.on("connection", (socket, request) => {
  const channel = channelOf(request.url);
  channels.add(channel, socket);
  socket.on("error", () => {});
  socket.on("message", (data) => {
    if (String(data) === "resume") socket.send(backlog.text);
  });
  socket.on("close", () => channels.delete(channel, socket));
});
server.on("listening", () =>
  start((server.address() as AddressInfo).port, (channel, event) => {
    const text = JSON.stringify(event);
    backlog.add(text);
    for (const socket of channels.of(channel)) socket.send(text);
  }),
);
