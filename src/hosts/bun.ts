import { createWSMessageEvent, type UpgradeWebSocket, type WSContext, type WSEvents } from "hono/ws";
import { Connection } from "./connection.ts";
import { guarded } from "./guard.ts";
import { Gone, upgrader } from "./handlers.ts";
import { saidHeaders, subprotocolOf, wantsWebSocket } from "./handshake.ts";
import {
  type App,
  checkRuntime,
  type Host,
  host,
  type Listening,
  type ServeOptions,
  type Server,
  termination,
  type UpgradeOptions,
} from "./host.ts";

/** The part of Bun's server WebSocket that is used here; what is handed out is Bun's own. */
export interface BunWebSocket {
  /** 1 while it is open, 2 while it is closing, 3 once it is closed. */
  readonly readyState: number;
  /** The same as in `hono/bun`, so that either `upgradeWebSocket` works with either server. */
  data: BunWebSocketData;
  /** Sends a message, and answers its bytes: -1 when it has to wait, 0 when Bun dropped it. */
  send(data: string | ArrayBuffer | Uint8Array, compress?: boolean): number;
  /** Begins the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
  /** Bytes that wait to be sent. */
  getBufferedAmount(): number;
}

/** What an upgrade leaves with its socket. */
export interface BunWebSocketData {
  /** What hears the socket. */
  events: WSEvents<BunWebSocket>;
  /** The URL of the request. */
  url: URL;
  /** The subprotocol that was agreed to; "" for none. */
  protocol: string;
}

interface BunServer {
  readonly port: number | undefined;
  readonly pendingRequests: number;
  upgrade(request: Request, options: { data: BunWebSocketData; headers: Headers }): boolean;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

interface BunWebSocketHandler {
  idleTimeout: number;
  sendPings: boolean;
  maxPayloadLength: number;
  backpressureLimit: number;
  closeOnBackpressureLimit: boolean;
  perMessageDeflate: boolean;
  open(ws: BunWebSocket): void;
  message(ws: BunWebSocket, message: string | Uint8Array<ArrayBuffer>): void;
  close(ws: BunWebSocket, code: number, reason: string): void;
}

declare const Bun: {
  serve(options: {
    port: number;
    hostname: string;
    idleTimeout: number;
    fetch(request: Request, server: BunServer): Response | Promise<Response>;
    error(error: unknown): Response;
    websocket: BunWebSocketHandler;
  }): BunServer;
};

declare const process: { on(signal: string, heard: () => void): void };

// biome-ignore lint/suspicious/noExplicitAny: the class of the event is Hono's to name, and not every runtime has it.
declare const CloseEvent: new (type: string, init: { code: number; reason: string }) => any;

/**
 * Serves a Hono app and its notifier on Bun, and ends both together.
 *
 * Resolves once it listens; rejects with the system's error (`EADDRINUSE`) when it cannot, and leaves nothing behind.
 * If `signal` has aborted before, or the notifier is closing, nothing listens: the server answered is closing already.
 *
 * Closing begins when `signal` aborts, `close()` is called or the notifier begins to close. It stops accepting, closes
 * the notifier, lets responses in flight finish, and after `grace` cuts the rest.
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
 * Upgrades a request of a Hono app to a WebSocket on Bun.
 *
 * Works under `serve` of this module and under a `Bun.serve` with the `websocket` of `hono/bun` that hands its server, and
 * the request that it made, to the app: `fetch: (request, server) => app.fetch(request, { server })`. Otherwise it answers
 * 500, and its error says what to do. There, headers that a middleware sets behind the handler are too late. An exception
 * thrown by `createEvents` refuses the upgrade with its response.
 *
 * ```ts
 * app.get("/notifications", upgradeWebSocket(notifications(notifier)));
 * ```
 */
export const upgradeWebSocket: UpgradeWebSocket<BunWebSocket, UpgradeOptions> = upgrader<BunWebSocket>(
  (c, handlers) => {
    const server: Partial<BunServer> | undefined = c.env?.server ?? c.env;
    if (typeof server?.upgrade !== "function") {
      throw new TypeError(
        "Cannot upgrade: Bun's server is not in the env; call app.fetch(request, { server }), and take upgradeWebSocket from the entry of the runtime that serves",
      );
    }
    const response = c.body(null);
    if (upgradeRequest(server as BunServer, c.req.raw, c.req.url, handlers, response)) return response;
    if (c.req.raw.signal.aborted) throw new Gone();
    throw new TypeError("Cannot upgrade: Bun did not make this request; hand on its own, and no copy of it");
  },
);

/** Upgrades Bun's own request, with the headers that the app has said. */
function upgradeRequest(
  server: BunServer,
  request: Request,
  url: string,
  handlers: WSEvents<BunWebSocket>,
  said: Response,
): boolean {
  const protocol = subprotocolOf(request.headers.get("sec-websocket-protocol")) ?? "";
  // Left to itself, Bun agrees to whatever was offered first.
  const headers = new Headers([["sec-websocket-protocol", protocol], ...saidHeaders(said)]);
  return server.upgrade(request, { data: new BunConnection(handlers, url, protocol), headers });
}

/** The context of a connection, for all of its events, which is also what `hono/bun` expects beside a socket. */
class BunConnection extends Connection<BunWebSocket> implements BunWebSocketData {
  declare readonly protocol: string;
  readonly events: WSEvents<BunWebSocket>;

  constructor(events: WSEvents<BunWebSocket>, url: string, protocol: string) {
    // There is a socket once there is an event, and nobody has the connection before.
    super(undefined as never, url, protocol);
    this.events = events;
  }

  override send(data: string | ArrayBuffer | Uint8Array, options?: { compress?: boolean }): void {
    // Above the limit Bun drops a frame without a word: nothing may be taken as sent that came after it either.
    // Of nothing 0 bytes are sent as well.
    const size = typeof data === "string" ? data.length : data.byteLength;
    const isDropped = this.raw.send(data, options?.compress) === 0 && size > 0 && this.raw.readyState === 1;
    if (isDropped) throw new Error("Cannot send: Bun dropped the frame");
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

function listen(listening: Listening): Host {
  checkRuntime("Bun", "serve");
  const { port, hostname, maxMessage, answer, report, scope } = listening;
  const server = Bun.serve({
    port,
    hostname,
    // The longest there is. By default a response that says nothing for 10 s is cut, and so is a slow upgrade.
    idleTimeout: 255,
    fetch: (request, server) =>
      wantsWebSocket(request.headers.get("upgrade"))
        ? knock(listening, request, server)
        : answer(request, { server }),
    error(error) {
      report(error);
      return new Response("Internal Server Error", { status: 500 });
    },
    websocket: webSocketHandler(maxMessage, report),
  });
  let stopped: Promise<void> | undefined;
  return {
    port: server.port as number, // only a server on a Unix socket has none
    stop() {
      stopped = server.stop();
    },
    async drained() {
      // Bun counts its requests until they are written, but tells nobody when the count changes.
      while (server.pendingRequests > 0) await scope.sleep("responses", 5);
    },
    async cut() {
      await server.stop(true);
      await stopped;
    },
  };
}

/** Answers a request for a WebSocket. Once that is upgraded, Bun does not look at the response. */
async function knock({ upgrade, report }: Listening, request: Request, server: BunServer): Promise<Response> {
  const { handshake, response } = await upgrade(request, { server });
  const { handlers, url } = handshake;
  if (handlers === undefined) return response;
  try {
    if (upgradeRequest(server, request, url, handlers, response)) return new Response(null);
  } catch (error) {
    report(error);
  }
  handshake.lose();
  return new Response("Bad Request", { status: 400 });
}

function webSocketHandler(maxMessage: number, report: (error: unknown) => void): BunWebSocketHandler {
  // Guarded here too: the events of `hono/bun`'s own `upgradeWebSocket` come as they are.
  const events = (ws: BunWebSocket) => guarded(ws.data.events, report);
  return {
    // Liveness is the notifier's own.
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    maxPayloadLength: maxMessage,
    // Above it Bun drops what is sent. The notifier's window keeps far below.
    backpressureLimit: 64 * 1024 * 1024,
    closeOnBackpressureLimit: false,
    open: (ws) => events(ws).onOpen(new Event("open"), contextOf(ws)),
    message: (ws, message) => events(ws).onMessage(createWSMessageEvent(payload(message)), contextOf(ws)),
    close: (ws, code, reason) => events(ws).onClose(new CloseEvent("close", { code, reason }), contextOf(ws)),
  };
}

/** Copies binary data out of the buffer that Bun shares between messages. */
function payload(message: string | Uint8Array<ArrayBuffer>): string | ArrayBuffer {
  return typeof message === "string" ? message : message.slice().buffer;
}

function contextOf(ws: BunWebSocket): WSContext<BunWebSocket> {
  const { data } = ws;
  const isOurs = data instanceof BunConnection;
  const connection = isOurs ? data : new BunConnection(data.events, data.url.href, data.protocol);
  connection.raw = ws;
  return connection as unknown as WSContext<BunWebSocket>;
}
