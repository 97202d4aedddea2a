import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { start } from "../peers/program.ts";

/**
 * A node of Socket.IO with its adapter for Redis Streams, with the defaults of the adapter, and one room for each channel.
 * Its last argument has the port of Redis, as JSON.
 */
const { redis } = JSON.parse(process.argv.at(-1) ?? "") as { redis: number };
const client = createClient({ url: `redis://127.0.0.1:${redis}` });
await client.connect();
const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(client),
  transports: ["websocket"],
  serveClient: false,
});
io.on("connection", (socket) => socket.join(String(socket.handshake.query.channel)));
http.listen(0, "127.0.0.1", () =>
  start((http.address() as AddressInfo).port, (channel, event) => io.to(channel).emit("event", event)),
);
