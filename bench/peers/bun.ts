import { Backlog, Channels, channelOf, start } from "./program.ts";

/** Bun by hand: a loop of `send` over a Set. */
interface Socket {
  readonly data: { channel: string };
  send(text: string): number;
}
interface Server {
  readonly port: number;
  upgrade(request: Request, options: { data: object }): boolean;
}
declare const Bun: { serve(options: object): Server };

const channels = new Channels<Socket>();
const backlog = new Backlog();
const { port } = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request: Request, server: Server) {
    if (server.upgrade(request, { data: { channel: channelOf(request.url) } })) return;
    return new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    open: (socket: Socket) => channels.add(socket.data.channel, socket),
    message(socket: Socket, text: string) {
      if (text === "resume") socket.send(backlog.text);
    },
    close: (socket: Socket) => channels.delete(socket.data.channel, socket),
  },
});
start(port, (channel, event) => {
  const text = JSON.stringify(event);
  backlog.add(text);
  for (const socket of channels.of(channel)) socket.send(text);
});
