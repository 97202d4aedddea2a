import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { WebSocketServer } from "ws";
import { Channels, channelOf, start } from "./program.ts";

/**
 * The lower bound of the cost on Node: builds one frame once and writes it to every TCP socket. It keeps no log, checks
 * no permission and limits no buffer.
 */
const channels = new Channels<Socket>();
const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (webSocket, { url, socket }) => {
  const channel = channelOf(url);
  channels.add(channel, socket);
  webSocket.on("error", () => {});
  webSocket.on("close", () => channels.delete(channel, socket));
});
http.listen(0, "127.0.0.1", () =>
  start((http.address() as AddressInfo).port, (channel, event) => {
    const frame = frameOf(JSON.stringify(event));
    for (const socket of channels.of(channel)) socket.write(frame);
  }),
);

function frameOf(text: string): Buffer {
  const size = Buffer.byteLength(text);
  const head = size < 126 ? Buffer.from([0x81, size]) : Buffer.from([0x81, 126, size >> 8, size & 255]);
  return Buffer.concat([head, Buffer.from(text)]);
}
