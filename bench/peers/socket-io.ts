import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { start } from "./program.ts";

/** Socket.IO, with one room for each channel. */
const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });
io.on("connection", (socket) => socket.join(String(socket.handshake.query.channel)));
http.listen(0, "127.0.0.1", () =>
  start((http.address() as AddressInfo).port, (channel, event) => io.to(channel).emit("event", event)),
);
