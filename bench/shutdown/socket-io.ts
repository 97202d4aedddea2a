import { Server } from "socket.io";
import { createProgram } from "./pages.ts";

/**
 * A notifier on Socket.IO with one room for each topic. `io.close()` disconnects every client and closes the HTTP
 * server.
 */
const program = createProgram((topic, data) => io.to(topic).emit("publication", data));
const io = new Server(program.server);
io.on("connection", (socket) => socket.join(String(socket.handshake.query.topics ?? "").split(",")));
program.start(() => io.close());
