import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";

/** The options of Next that a custom server needs, with the types of Next. */
interface Options {
  dev?: boolean;
  httpServer?: Server;
}

/** The result of `next()`, as far as a custom server needs it. */
interface CustomServer {
  prepare(): Promise<void>;
  getRequestHandler(): (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  getUpgradeHandler(): (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>;
  close(): Promise<void>;
}

/**
 * Stands in for Next 16, which takes 340 MB. It has one page, which matches every path.
 *
 * Like Next, it listens to upgrades from its first request on: on `httpServer`, or otherwise on the server of that
 * request. It upgrades the requests of its own client, which Next does in development only, and ends those that match a
 * page. Its `getUpgradeHandler` does nothing, like that of Next 16.
 */
export default function next({ httpServer }: Options): CustomServer {
  const reloading = new WebSocketServer({ noServer: true });
  let isPrepared = false;
  let isListening = false;
  const check = () => {
    if (!isPrepared) throw new Error("prepare() must be called before performing this operation");
  };
  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!request.url?.startsWith("/_next/hmr")) return void socket.end();
    reloading.handleUpgrade(request, socket, head, (webSocket) => webSocket.send('{"type":"sync"}'));
  };
  return {
    async prepare() {
      isPrepared = true;
    },
    getRequestHandler: () => async (request, response) => {
      check();
      const server = httpServer ?? (request.socket as unknown as { server: Server }).server;
      if (!isListening) server.on("upgrade", upgrade);
      isListening = true;
      response.end("Hello from Next");
    },
    getUpgradeHandler() {
      check();
      return async () => {};
    },
    async close() {
      for (const webSocket of reloading.clients) webSocket.terminate();
    },
  };
}
