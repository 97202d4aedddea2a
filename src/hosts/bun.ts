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

/** The part of Bun's server WebSocket that is used here. The object itself is Bun's own. */
export interface BunWebSocket {
  /** 1 while open, 2 while closing, 3 once closed. */
  readonly readyState: number;
  /** The same data as in `hono/bun`, so that the `upgradeWebSocket` of either works with the server of either. */
  data: BunWebSocketData;
  /** Sends a message. Returns its size in bytes, -1 when the message has to wait, or 0 when Bun dropped it. */
  send(data: string | ArrayBuffer | Uint8Array, compress?: boolean): number;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Cuts the connection at once. */
  terminate(): void;
  /** Returns the bytes that wait to be sent. */
  getBufferedAmount(): number;
}

/** The data that an upgrade attaches to its socket. */
export interface BunWebSocketData {
  /** The handlers of the socket's events. */
  events: WSEvents<BunWebSocket>;
  /** The URL of the request. */
  url: URL;
  /** The negotiated subprotocol; "" for none. */
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

declare const process: { on(signal: string, listener: () => void): void };

// biome-ignore lint/suspicious/noExplicitAny: Hono declares the class of the event, and not every runtime has it.
declare const CloseEvent: new (type: string, init: { code: number; reason: string }) => any;

/**
 * Serves a Hono app and its notifier on Bun, and closes both together.
 *
 * Resolves once it listens. Rejects with the system's error (`EADDRINUSE`) when it cannot, and then leaves nothing
 * behind. If `signal` has already aborted, or the notifier is closing, nothing listens, and the returned server is
 * closing already.
 *
 * Closing starts when `signal` aborts, `close()` is called or the notifier starts to close. The server stops accepting
 * connections, closes the notifier, lets responses in flight finish, and cuts the rest after `grace`.
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
 * Upgrades a request of a Hono app to a WebSocket on Bun.
 *
 * Works under `serve` of this module. Also works under a `Bun.serve` that has the `websocket` of `hono/bun` and passes
 * its server and its own request to the app: `fetch: (request, server) => app.fetch(request, { server })`. Under such a
 * `Bun.serve`, headers that a middleware sets after the handler are lost. In any other server it responds with 500, and
 * the error says what to do. An exception thrown by `createEvents` refuses the upgrade with its response.
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
    throw new TypeError(
      "Cannot upgrade: Bun did not make this request; pass on Bun's own request, not a copy",
    );
  },
);

/** Upgrades Bun's own request, with the headers that the app has set. */
function upgradeRequest(
  server: BunServer,
  request: Request,
  url: string,
  handlers: WSEvents<BunWebSocket>,
  response: Response,
): boolean {
  const protocol = subprotocolOf(request.headers.get("sec-websocket-protocol"), handlers) ?? "";
  // By default Bun accepts the first subprotocol offered.
  const headers = new Headers([["sec-websocket-protocol", protocol], ...saidHeaders(response)]);
  return server.upgrade(request, { data: new BunConnection(handlers, url, protocol), headers });
}

/** The context of a connection, for all of its events. It is also the `data` that `hono/bun` expects on a socket. */
class BunConnection extends Connection<BunWebSocket> implements BunWebSocketData {
  declare readonly protocol: string;
  readonly events: WSEvents<BunWebSocket>;

  constructor(events: WSEvents<BunWebSocket>, url: string, protocol: string) {
    // The socket is set at the first event. Nothing uses the connection before that.
    super(undefined as never, url, protocol);
    this.events = events;
  }

  override send(data: string | ArrayBuffer | Uint8Array, options?: { compress?: boolean }): void {
    // Above `backpressureLimit` Bun drops a frame silently. Then later frames must not count as sent either, so this
    // throws. For an empty message Bun returns 0 as well.
    const size = typeof data === "string" ? data.length : data.byteLength;
    const isDropped = this.raw.send(data, options?.compress) === 0 && size > 0 && this.raw.readyState === 1;
    if (isDropped) throw new Error("Cannot send: Bun dropped the frame");
  }
}

/**
 * Returns a signal that aborts on SIGINT and SIGTERM, with a reason that names the one received.
 *
 * Its listeners stay, so that a second signal does not kill the process while it closes. They do not keep the process
 * alive. Call it once per process.
 */
export function terminationSignal(): AbortSignal {
  return termination(["SIGINT", "SIGTERM"], (name, listener) => process.on(name, listener));
}

function listen(listening: Listening): Host {
  checkRuntime("Bun", "serve");
  const { port, hostname, maxMessage, answer, report, scope } = listening;
  const server = Bun.serve({
    port,
    hostname,
    // Seconds; the maximum. By default Bun cuts a response that sends nothing for 10 s, and also a slow upgrade.
    idleTimeout: 255,
    fetch: (request, server) =>
      wantsWebSocket(request.headers.get("upgrade"))
        ? answerUpgrade(listening, request, server)
        : answer(request, { server }),
    error(error) {
      report(error);
      return new Response("Internal Server Error", { status: 500 });
    },
    websocket: webSocketHandler(maxMessage, report),
  });
  let stopped: Promise<void> | undefined;
  return {
    port: server.port as number, // undefined only on a Unix socket
    stop() {
      stopped = server.stop();
    },
    async drained() {
      // Bun counts requests until their responses are written, but has no event for changes of the count: so poll it.
      while (server.pendingRequests > 0) await scope.sleep("responses", 5);
    },
    async cut() {
      await server.stop(true);
      await stopped;
    },
  };
}

/** Answers an upgrade request. After an upgrade Bun ignores the response. */
async function answerUpgrade(
  { upgrade, report }: Listening,
  request: Request,
  server: BunServer,
): Promise<Response> {
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
  // Guarded here too, because the events of `hono/bun`'s own `upgradeWebSocket` are not.
  const events = (ws: BunWebSocket) => guarded(ws.data.events, report);
  return {
    // The notifier checks liveness itself.
    idleTimeout: 0,
    sendPings: false,
    perMessageDeflate: false,
    maxPayloadLength: maxMessage,
    // Bytes. Above this limit Bun drops messages. The notifier's window stays far below it.
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
