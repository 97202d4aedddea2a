import { channelOf, start } from "./program.ts";

/** Bun's own publish. */
interface Socket {
  readonly data: { channel: string };
  subscribe(channel: string): void;
}
interface Server {
  readonly port: number;
  upgrade(request: Request, options: { data: object }): boolean;
  publish(channel: string, text: string): number;
}
declare const Bun: { serve(options: object): Server };

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request: Request, server: Server) {
    if (server.upgrade(request, { data: { channel: channelOf(request.url) } })) return;
    return new Response("Upgrade Required", { status: 426 });
  },
  websocket: {
    open: (socket: Socket) => socket.subscribe(socket.data.channel),
    message() {},
  },
});
start(server.port, (channel, event) => server.publish(channel, JSON.stringify(event)));
