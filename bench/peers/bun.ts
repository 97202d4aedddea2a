import { Backlog, Channels, channelOf, start } from "./program.ts";

// Bun without a library: calls `send` for each socket in a Set.

interface Data {
  channel: string;
}

const channels = new Channels<Bun.ServerWebSocket<Data>>();
const backlog = new Backlog();
const { port } = Bun.serve<Data>({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (server.upgrade(request, { data: { channel: channelOf(request.url) } })) return;
    return new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    open: (socket) => channels.add(socket.data.channel, socket),
    message(socket, text) {
      if (text === "resume") socket.send(backlog.text);
    },
    close: (socket) => channels.delete(socket.data.channel, socket),
  },
});
start(port as number, (channel, event) => {
  const text = JSON.stringify(event);
  backlog.add(text);
  for (const socket of channels.of(channel)) socket.send(text);
});
