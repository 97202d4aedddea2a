import { channelOf, start } from "./program.ts";

// Sends with Bun's native `publish`.

interface Data {
  channel: string;
}

const server = Bun.serve<Data>({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request, server) {
    if (server.upgrade(request, { data: { channel: channelOf(request.url) } })) return;
    return new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    open: (socket) => void socket.subscribe(socket.data.channel),
    message() {},
  },
});
start(server.port as number, (channel, event) => server.publish(channel, JSON.stringify(event)));
