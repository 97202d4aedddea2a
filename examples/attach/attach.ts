import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createAdaptorServer, type WebSocketServerLike } from "@hono/node-server";
import type { Hono } from "hono";
import type { Notifier } from "tocsin";
import { WebSocketServer } from "ws";

/** Options of `attach`. */
export interface AttachOptions {
  notifier: Notifier;
  /** The app gets this path and all paths below it. */
  path: string;
  /** Milliseconds that connections may stay open after the notifier has closed. Default: 5000. */
  grace?: number;
}

/** Both functions return whether the request was the app's. Where it was not, answer it yourself. */
export interface Attached {
  request(request: IncomingMessage, response: ServerResponse): boolean;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean;
}

/** Attaches a Hono app to a server of your own. */
export function attach(server: Server, app: Hono, options: AttachOptions): Attached {
  const { notifier, path, grace = 5_000 } = options;
  // The types of ws lack closeTimeout.
  const settings = { noServer: true, maxPayload: notifier.maxMessage, closeTimeout: 1_000 };
  // The cast is needed under exactOptionalPropertyTypes only.
  const websocket = { server: new WebSocketServer(settings) as unknown as WebSocketServerLike };
  // This server never listens. It gets the requests and upgrades of the app, and is the only one that answers them.
  const inner = createAdaptorServer({ fetch: app.fetch, websocket, overrideGlobalObjects: false });

  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  // The timer does not keep the process alive. It fires only if a connection keeps the process alive.
  void notifier.closed.then(() => setTimeout(cut, grace).unref());

  const isOwn = ({ url = "" }: IncomingMessage) =>
    url.startsWith(path) && ["", "/", "?"].includes(url.charAt(path.length));
  return {
    request: (request, response) => isOwn(request) && inner.emit("request", request, response),
    upgrade: (request, socket, head) => isOwn(request) && inner.emit("upgrade", request, socket, head),
  };
}
