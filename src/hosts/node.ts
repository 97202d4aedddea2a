import {
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import process from "node:process";
import {
  upgradeWebSocket as adapted,
  createAdaptorServer,
  type WebSocketServerLike,
} from "@hono/node-server";
import type { UpgradeWebSocket } from "hono/ws";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { urlOf } from "../base/url.ts";
import { upgrader } from "./handlers.ts";
import { wantsWebSocket } from "./handshake.ts";
import {
  type App,
  type Host,
  host,
  type Listening,
  type ServeOptions,
  type Server,
  termination,
  type UpgradeOptions,
} from "./host.ts";
import { type Env, endWithPeer, endWithUs, Upgrades } from "./upgrade.ts";

/**
 * Serves a Hono app and its notifier on Node, and closes both together.
 *
 * Resolves once it listens. Rejects with the system's error (`EADDRINUSE`) when it cannot, and then leaves nothing
 * behind. If `signal` has already aborted, or the notifier is closing, nothing listens, and the returned server is
 * closing already.
 *
 * Closing starts when `signal` aborts, `close()` is called or the notifier starts to close. The server stops accepting
 * connections, closes connections without a request, closes the notifier, lets responses in flight finish, and cuts the
 * rest after `grace`.
 *
 * While streams are open, it goes on to accept connections: it takes what their clients post, and answers everything else
 * with 503.
 *
 * ```ts
 * const signal = terminationSignal();
 * const server = await serve(app, { notifier, signal, port: 3000 });
 * await server.closed;
 * ```
 */
export function serve(app: App, options: ServeOptions): Promise<Server> {
  return host(app, options, listen);
}

/**
 * Upgrades a request of a Hono app to a WebSocket on Node.
 *
 * Works under `serve` of this module. Also works under the `serve` of `@hono/node-server` with its option `websocket`,
 * if the request's `env` is passed on. In any other server it responds with 500, and the error says what to do. An
 * exception thrown by `createEvents` refuses the upgrade. The client receives the status and headers of its response,
 * not the body.
 *
 * ```ts
 * app.get("/notifications", upgradeWebSocket(notifications(notifier)));
 * ```
 */
export const upgradeWebSocket: UpgradeWebSocket<WebSocket, UpgradeOptions> = upgrader<WebSocket>(
  async (c, handlers) => {
    const env = c.env as Env | undefined;
    if (env?.incoming === undefined) {
      throw new TypeError(
        "Cannot upgrade: the request has no env of Node's server; call app.fetch(request, env), and take upgradeWebSocket from the entry of the runtime that serves",
      );
    }
    if (env.wss === undefined) {
      throw new TypeError(
        "Cannot upgrade: the server was made without WebSockets; give serve of @hono/node-server websocket: { server: new WebSocketServer({ noServer: true }) }, or use serve of tocsin/node",
      );
    }
    // The adapter declares only the members of the socket that it uses. The object is a socket of `ws`.
    await (adapted as UpgradeWebSocket<WebSocket>)(c, handlers);
    return c.body(null);
  },
);

/**
 * Returns a signal that aborts on SIGINT and SIGTERM, with a reason that names the one received.
 *
 * Its listeners stay, so that a second signal does not kill the process while it closes. They do not keep the process
 * alive. Call it once per process.
 */
export function terminationSignal(): AbortSignal {
  return termination(["SIGINT", "SIGTERM"], (name, listener) => process.on(name, listener));
}

async function listen(listening: Listening): Promise<Host> {
  const { port, hostname, grace, maxMessage, report } = listening;
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessage,
    // Milliseconds after which a peer that does not answer a close frame is cut. By default, 30 s.
    closeTimeout: Math.min(grace, 1000),
    handleProtocols: (offered) => upgrades.choose(offered) ?? false,
  };
  const webSockets = new WebSocketServer(options);
  // The two packages declare the same type, but not in the same way for `exactOptionalPropertyTypes`.
  const websocket = { server: webSockets as unknown as WebSocketServerLike };
  const traffic = createTraffic();
  const upgrades = new Upgrades(listening, webSockets, traffic.upgraded);
  const fetch: (request: Request, env: object) => unknown = upgrades.fetch;
  const server = createAdaptorServer({ fetch, websocket }) as HttpServer;
  await upgrades.replace(server);
  webSockets.on("connection", (webSocket, { socket }) => {
    traffic.upgraded(socket);
    // An error before the adapter listens for errors would end the process.
    webSocket.on("error", () => endWithPeer(socket));
  });
  interceptUpgrades(server, upgrades, traffic, listening);
  const connections = track(server, traffic);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: hostname }, () => {
      server.off("error", reject);
      resolve();
    });
  });
  server.on("error", report);
  return { port: (server.address() as AddressInfo).port, ...connections };
}

/**
 * The state of every connection: how many requests it has in flight, or that it is a WebSocket.
 *
 * Node's own `closeAllConnections()` would end responses in flight, and does not include connections that were upgraded
 * or are about to be.
 */
interface Traffic extends Pick<Host, "drained" | "cut"> {
  connected(socket: Socket): void;
  enter(socket: Socket): void;
  leave(socket: Socket): void;
  upgraded(socket: Socket): void;
  /** Closes every connection without a request, and from now on every connection whose last request ends. */
  stop(): void;
}

function createTraffic(): Traffic {
  const requests = new Map<Socket, number>();
  const webSockets = new Set<Socket>();
  let isStopped = false;
  let resolveDrained: (() => void) | undefined;
  const check = (): void => {
    if (resolveDrained !== undefined && [...requests.values()].every((count) => count === 0))
      resolveDrained();
  };
  // One listener for all connections, to save memory.
  function closed(this: Socket): void {
    requests.delete(this);
    webSockets.delete(this);
    check();
  }
  return {
    connected(socket) {
      // `serveWithoutUpgrade` emits a connection for the second time.
      if (requests.has(socket)) return;
      requests.set(socket, 0);
      socket.on("close", closed);
    },
    enter: (socket) => void requests.set(socket, (requests.get(socket) ?? 0) + 1),
    leave(socket) {
      const count = requests.get(socket);
      if (count !== undefined) requests.set(socket, count - 1);
      if (count === 1 && isStopped) socket.destroySoon();
      check();
    },
    upgraded(socket) {
      requests.delete(socket);
      webSockets.add(socket);
    },
    stop() {
      isStopped = true;
      for (const [socket, count] of requests) if (count === 0) socket.destroy();
    },
    drained: () =>
      new Promise((resolve) => {
        resolveDrained = resolve;
        check();
      }),
    cut() {
      for (const socket of [...requests.keys(), ...webSockets]) socket.destroy();
    },
  };
}

function track(server: HttpServer, traffic: Traffic): Omit<Host, "port"> {
  server.on("connection", traffic.connected);
  // This listener must be before the adapter's, because the app may close the server at once.
  server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    traffic.enter(socket);
    response.once("close", () => traffic.leave(socket));
  });
  return {
    stop() {
      // `server.close()` calls this. Node's own method would cut a response that has ended but is still being written.
      server.closeIdleConnections = () => {};
      server.close();
      traffic.stop();
    },
    drained: traffic.drained,
    cut: traffic.cut,
  };
}

/** Handles upgrades instead of the adapter's listener, which never answers an upgrade to anything but a WebSocket. */
function interceptUpgrades(
  server: HttpServer,
  upgrades: Upgrades,
  { enter, leave }: Traffic,
  { report, refused }: Listening,
): void {
  const upgrade = async (request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> => {
    enter(socket);
    try {
      await upgrades.answer(request, socket, head);
    } catch (error) {
      report(error);
    } finally {
      leave(socket);
    }
  };
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!wantsWebSocket(request.headers.upgrade)) {
      serveWithoutUpgrade(server, request, socket, head);
      return;
    }
    endWithUs(socket);
    const fault = faultOf(request);
    if (fault !== undefined) {
      socket.on("error", () => {});
      refused(request.url ?? "", fault.code, fault.reason);
      socket.end(
        `HTTP/1.1 ${fault.code} ${STATUS_CODES[fault.code]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
      return;
    }
    void upgrade(request, socket, head);
  });
}

/** How many headers Node reads by default. It drops the others silently, and an `Origin` may be among them. */
const maxHeaders = 1000;

/** Returns why an upgrade request is refused: the adapter would answer 500, or would not get all of its headers. */
function faultOf({ headers, rawHeaders }: IncomingMessage): { code: 400 | 431; reason: string } | undefined {
  if (rawHeaders.length >= 2 * maxHeaders)
    return { code: 431, reason: `the handshake has ${maxHeaders} headers or more` };
  if (urlOf(`http://${headers.host ?? "localhost"}`) !== undefined) return undefined;
  return { code: 400, reason: "the Host is none that a URL can have" };
}

/** Puts a request back on its connection without its upgrade headers, as if the server did not support the upgrade. */
function serveWithoutUpgrade(
  server: HttpServer,
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  const { method, url, httpVersion, rawHeaders } = request;
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!/^(upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), head]));
  server.emit("connection", socket);
}
