import { Backlog, Channels, channelOf, start } from "./program.ts";

// Deno without a library: calls `send` for each socket in a Set.

const channels = new Channels<WebSocket>();
const backlog = new Backlog();
const { addr } = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  const channel = channelOf(request.url);
  socket.onopen = () => channels.add(channel, socket);
  socket.onmessage = ({ data }) => {
    if (data === "resume") socket.send(backlog.text);
  };
  socket.onclose = () => channels.delete(channel, socket);
  return response;
});
start(addr.port, (channel, event) => {
  const text = JSON.stringify(event);
  backlog.add(text);
  for (const socket of channels.of(channel)) socket.send(text);
});
