import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import process from "node:process";
import {
  upgradeWebSocket as adapted,
  createAdaptorServer,
  type WebSocketServerLike,
} from "@hono/node-server";
import {
  createWSMessageEvent,
  defineWebSocketHelper,
  type UpgradeWebSocket,
  type WSContext,
  type WSEvents,
} from "hono/ws";
import { type RawData, type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import { Connection, Frames } from "./connection.ts";
import { frameOf } from "./frame.ts";
import {
  type App,
  checkHandshake,
  guard,
  type Host,
  host,
  type Listening,
  type ServeOptions,
  type Server,
  subprotocol,
  termination,
  type UpgradeOptions,
  wantsWebSocket,
} from "./host.ts";

export type { App, ServeOptions, Server, UpgradeOptions } from "./host.ts";

/**
 * Serves a Hono app and its notifier on Node, and ends both together.
 *
 * Resolves once it listens; rejects with the system's error (`EADDRINUSE`) when it cannot, and leaves nothing behind.
 * If `signal` has aborted before, or the notifier is closing, nothing listens: the server answered is closing already.
 *
 * Closing begins when `signal` aborts, `close()` is called or the notifier begins to close. It stops accepting, frees
 * connections without a request, closes the notifier, lets responses in flight finish, and after `grace` cuts the rest.
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
 * Works under `serve` of this module and under that of `@hono/node-server` with its option `websocket`. An exception
 * thrown by `createEvents` refuses the upgrade; status and headers of its response arrive, its body does not.
 *
 * ```ts
 * app.get("/notifications", upgradeWebSocket(notifications(notifier)));
 * ```
 */
export const upgradeWebSocket: UpgradeWebSocket<WebSocket, UpgradeOptions> = defineWebSocketHelper<
  WebSocket,
  UpgradeOptions
>((c, events, options) => {
  if (!wantsWebSocket(c.req.header("upgrade"))) return;
  checkHandshake(c);
  const guarded = guard(c, events, options);
  const { incoming, frames }: Env = c.env;
  // The adapter types its socket by the few members it needs itself; what it hands out is the socket of `ws`.
  const upgrade = adapted as UpgradeWebSocket<WebSocket>;
  if (incoming === undefined || frames === undefined) return upgrade(c, guarded);
  return upgrade(c, direct(guarded, c.req.url, incoming.socket, frames));
});

/** What `serve` puts into a request's `env`, beside what the adapter does. */
interface Env {
  readonly incoming?: IncomingMessage;
  readonly frames?: Frames<Buffer>;
}

/**
 * Takes the socket over from the adapter as soon as it is open: what the adapter keeps for each would be most of what a
 * session costs, since the whole request hangs from it.
 */
function direct(
  events: Required<WSEvents<WebSocket>>,
  url: string,
  tcp: Socket,
  frames: Frames<Buffer>,
): Pick<WSEvents<WebSocket>, "onOpen"> {
  return {
    onOpen(event, { raw, protocol }) {
      if (raw === undefined) return;
      const connection = new FramedConnection(raw, url, protocol, tcp, frames);
      const ws = connection as unknown as WSContext<WebSocket>;
      raw.on("message", (data, isBinary) => events.onMessage(messageOf(data, isBinary), ws));
      raw.on("close", (code, reason) => {
        events.onClose(eventOf("close", { code, reason: String(reason) }), ws);
      });
      raw.on("error", (error) => events.onError(eventOf("error", { error }), ws));
      keepListeners(raw);
      events.onOpen(event, ws);
    },
  };
}

const names = ["message", "close", "error"] as const;

/** The adapter adds listeners of its own next, which have nobody to tell. In a function of its own, whose variables go. */
function keepListeners(raw: WebSocket): void {
  const present = new Set(names.flatMap((name) => raw.listeners(name)));
  queueMicrotask(() => {
    for (const name of names) {
      for (const listener of raw.listeners(name))
        if (!present.has(listener)) raw.off(name, listener as () => void);
    }
  });
}

/** An event with what its class would have: not every Node has the classes. */
// biome-ignore lint/suspicious/noExplicitAny: the class of the event is Hono's to name, and not every runtime has it.
function eventOf(type: string, members: object): any {
  return Object.assign(new Event(type), members);
}

function messageOf(data: RawData, isBinary: boolean): ReturnType<typeof createWSMessageEvent> {
  if (!isBinary) return createWSMessageEvent(String(data));
  // By default `ws` hands out Buffers, which share their memory with others.
  const { buffer, byteOffset, byteLength } = data as Buffer;
  return createWSMessageEvent(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}

/**
 * Has text leave as frames that all who are sent the same text share, in one write each.
 *
 * Only under `serve`, whose sockets compress nothing: then `ws` keeps nothing of its own before or behind a frame.
 */
class FramedConnection extends Connection<WebSocket> {
  readonly #tcp: Socket;
  readonly #frames: Frames<Buffer>;

  constructor(raw: WebSocket, url: string, protocol: string | null, tcp: Socket, frames: Frames<Buffer>) {
    super(raw, url, protocol);
    this.#tcp = tcp;
    this.#frames = frames;
  }

  override send(data: string | ArrayBuffer | Uint8Array): void {
    const { raw } = this;
    if (typeof data !== "string") raw.send(data);
    // Behind a close frame there must not be another.
    else if (raw.readyState === raw.OPEN) this.#tcp.write(this.#frames.of(data));
  }
}

/**
 * Answers a signal that aborts on SIGINT and SIGTERM, with a reason that names the one received.
 *
 * Its listeners stay, so that a second signal does not kill the process while it closes, and do not keep it alive.
 * Call it once a process.
 */
export function terminationSignal(): AbortSignal {
  return termination(["SIGINT", "SIGTERM"], (name, heard) => process.on(name, heard));
}

async function listen({ port, hostname, grace, maxMessage, answer, report }: Listening): Promise<Host> {
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: maxMessage,
    // How long a peer that does not answer a close frame may hold its connection; 30 s by default.
    closeTimeout: Math.min(grace, 1000),
    handleProtocols: (offered) => subprotocol(offered) ?? false,
  };
  const webSockets = new WebSocketServer(options);
  // The two packages mean the same and write it differently, under `exactOptionalPropertyTypes`.
  const websocket = { server: webSockets as unknown as WebSocketServerLike };
  const frames = new Frames(frameOf);
  const fetch = (request: Request, env: object) => answer(request, Object.assign(env, { frames }));
  const server = createAdaptorServer({ fetch, websocket }) as HttpServer;
  const connections = track(server, webSockets, report);
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
 * What every connection is doing: how many requests it has in flight, or that it is a WebSocket.
 *
 * Node's own `closeAllConnections()` would end responses in flight, and knows nothing of connections that were upgraded
 * or are about to be.
 */
interface Traffic extends Pick<Host, "drained" | "cut"> {
  connected(socket: Socket): void;
  enter(socket: Socket): void;
  leave(socket: Socket): void;
  upgraded(socket: Socket): void;
  /** Frees every connection without a request, and from now on every one whose last request is done. */
  stop(): void;
}

function createTraffic(): Traffic {
  const requests = new Map<Socket, number>();
  const webSockets = new Set<Socket>();
  let isStopped = false;
  let quiet: (() => void) | undefined;
  const check = (): void => {
    if (quiet !== undefined && [...requests.values()].every((count) => count === 0)) quiet();
  };
  return {
    connected(socket) {
      // A connection whose wish for an upgrade was ignored comes a second time.
      if (requests.has(socket)) return;
      requests.set(socket, 0);
      socket.once("close", () => {
        requests.delete(socket);
        webSockets.delete(socket);
        check();
      });
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
        quiet = resolve;
        check();
      }),
    cut() {
      for (const socket of [...requests.keys(), ...webSockets]) socket.destroy();
    },
  };
}

function track(
  server: HttpServer,
  webSockets: WebSocketServer,
  report: (error: unknown) => void,
): Omit<Host, "port"> {
  const traffic = createTraffic();
  server.on("connection", traffic.connected);
  // Before the adapter's listener, whose app may close the server at once.
  server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    traffic.enter(socket);
    response.once("close", () => traffic.leave(socket));
  });
  webSockets.on("connection", (webSocket, { socket }) => {
    traffic.upgraded(socket);
    // An error before the adapter listens for it would end the process.
    webSocket.on("error", () => {});
  });
  interceptUpgrades(server, traffic, report);
  return {
    stop() {
      // Called by `close`, Node's own would cut a response that was ended and is still being written.
      server.closeIdleConnections = () => {};
      server.close();
      traffic.stop();
    },
    drained: traffic.drained,
    cut: traffic.cut,
  };
}

/**
 * Stands before the adapter's listener, which never answers an upgrade to anything but a WebSocket, and which refuses
 * with a response only while it is the one listener there is.
 */
function interceptUpgrades(
  server: HttpServer,
  { enter, leave }: Traffic,
  report: (error: unknown) => void,
): void {
  const [adapter] = server.listeners("upgrade");
  server.removeAllListeners("upgrade");
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!wantsWebSocket(request.headers.upgrade)) {
      serveWithoutUpgrade(server, request, socket, head);
      return;
    }
    // Both sides have said their last word when ours has ended; a peer may keep its own side open for ever.
    socket.once("finish", () => socket.destroy());
    const fault = faultOf(request);
    if (fault !== undefined) {
      socket.on("error", () => {});
      socket.end(`HTTP/1.1 ${fault}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    enter(socket);
    Promise.resolve(adapter?.call(server, request, socket, head))
      .catch(report)
      .finally(() => leave(socket));
  });
}

/** How many headers Node reads by default: it leaves out the others without a word, and an `Origin` may be among them. */
const mostHeaders = 1000;

/** Why nothing can be made of a request for a WebSocket: the adapter would answer 500, or never see all of it. */
function faultOf({ headers, rawHeaders }: IncomingMessage): string | undefined {
  if (rawHeaders.length >= 2 * mostHeaders) return "431 Request Header Fields Too Large";
  return URL.canParse(`http://${headers.host ?? "localhost"}`) ? undefined : "400 Bad Request";
}

/** Puts a request back on its connection without its wish for an upgrade, as a server that does not know it would read it. */
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
