import type { UpgradeWebSocket, WSContext, WSEvents } from "hono/ws";
import { systemClock } from "../base/clock.ts";
import { Connection } from "./connection.ts";
import { Gone, upgrader } from "./handlers.ts";
import { saidHeaders, subprotocolOf, wantsWebSocket } from "./handshake.ts";
import {
  type App,
  checkRuntime,
  type Host,
  host,
  type Listening,
  refusal,
  type ServeOptions,
  type Server,
  termination,
  type UpgradeOptions,
} from "./host.ts";

/** The part of Deno's server WebSocket that is used here. The object itself is Deno's own. */
export interface DenoWebSocket {
  /** 0 while connecting, 1 while open, 2 while closing, 3 once closed. */
  readonly readyState: number;
  /** The negotiated subprotocol; "" for none. */
  readonly protocol: string;
  /** The URL, if Deno sets one. */
  readonly url: string;
  /** Bytes that wait to be sent; 0 once the socket is closing. */
  readonly bufferedAmount: number;
  /** How binary messages arrive: `"arraybuffer"` or `"blob"`. */
  binaryType: string;
  /** Sends a message. */
  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void;
  /** Starts the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Adds a listener for an event: `open`, `message`, `close` or `error`. */
  addEventListener(
    type: string,
    listener: { handleEvent(event: Event): void },
    options?: { once: boolean },
  ): void;
}

interface DenoInfo {
  readonly completed: Promise<void>;
}

declare const Deno: {
  readonly build: { readonly os: string };
  serve(
    options: {
      port: number;
      hostname: string;
      signal: AbortSignal;
      onListen: () => void;
      onError: (error: unknown) => Response;
    },
    handler: (request: Request, info: DenoInfo) => Response | Promise<Response>,
  ): { readonly addr: { readonly port: number }; readonly finished: Promise<void> };
  upgradeWebSocket(
    request: Request,
    options: { idleTimeout: number },
  ): { socket: DenoWebSocket; response: Response };
  addSignalListener(signal: "SIGINT" | "SIGTERM" | "SIGBREAK", handler: () => void): void;
};

/**
 * Serves a Hono app and its notifier on Deno, and closes both together.
 *
 * Resolves once it listens. Rejects with `Deno.errors.AddrInUse` or a similar error when it cannot, and then leaves
 * nothing behind. If `signal` has already aborted, or the notifier is closing, nothing listens, and the returned server
 * is closing already.
 *
 * Closing starts when `signal` aborts, `close()` is called or the notifier starts to close. The server answers new
 * requests with 503, except what the clients of open streams post. It closes the notifier, lets responses in flight
 * finish, and cuts the rest after `grace`.
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
 * Upgrades a request of a Hono app to a WebSocket on Deno.
 *
 * Works under `serve` of this module and under `Deno.serve(app.fetch)`. When Deno cannot upgrade the request that the
 * app was given, such as one that Deno did not create, it responds with 500, and the error says what to do. An
 * exception thrown by `createEvents` refuses the upgrade with its response.
 *
 * ```ts
 * app.get("/notifications", upgradeWebSocket(notifications(notifier)));
 * ```
 */
export const upgradeWebSocket: UpgradeWebSocket<DenoWebSocket, UpgradeOptions> = upgrader<DenoWebSocket>(
  async (c, handlers) => {
    if (!("Deno" in globalThis)) {
      throw new TypeError(
        "Cannot upgrade: this is not Deno; take upgradeWebSocket from the entry of the runtime that serves",
      );
    }
    if (await isLost(c.req.raw)) throw new Gone();
    try {
      return upgradeRequest(c.req.raw, c.req.url, handlers, c.body(null));
    } catch (cause) {
      const message =
        "Cannot upgrade: Deno did not make this request; pass on Deno's own request, not a copy";
      throw new TypeError(message, { cause });
    }
  },
);

/** Upgrades Deno's own request. Returns Deno's own response, with the headers that the app has set. */
function upgradeRequest(
  request: Request,
  url: string,
  handlers: Required<WSEvents<DenoWebSocket>>,
  appResponse: Response,
): Response {
  const protocol = subprotocolOf(request.headers.get("sec-websocket-protocol"), handlers);
  // The notifier checks liveness itself. Deno's timer would also keep the process alive for 15 s if a peer keeps
  // sending.
  const { socket, response } = quietly(() => Deno.upgradeWebSocket(request, { idleTimeout: 0 }));
  // Deno's own option is not used: it throws when the client's offers have no spaces between them.
  if (protocol !== undefined) response.headers.set("sec-websocket-protocol", protocol);
  for (const [name, value] of saidHeaders(appResponse)) response.headers.append(name, value);
  socket.binaryType = "arraybuffer";
  const connection = new DenoConnection(socket, url, protocol ?? "", handlers);
  socket.addEventListener("open", connection, { once: true });
  for (const type of ["message", "close", "error"]) socket.addEventListener(type, connection);
  return response;
}

/** Handles all events of its socket. One object, because four functions would each keep the request in memory. */
class DenoConnection extends Connection<DenoWebSocket> {
  readonly #handlers: Required<WSEvents<DenoWebSocket>>;

  constructor(
    raw: DenoWebSocket,
    url: string,
    protocol: string,
    handlers: Required<WSEvents<DenoWebSocket>>,
  ) {
    super(raw, url, protocol);
    this.#handlers = handlers;
  }

  // biome-ignore lint/suspicious/noExplicitAny: Hono declares the class of the event, and not every runtime has it.
  handleEvent(event: any): void {
    const context = this as unknown as WSContext<DenoWebSocket>;
    if (event.type === "message") this.#handlers.onMessage(event, context);
    else if (event.type === "open") this.#handlers.onOpen(event, context);
    else if (event.type === "close") this.#handlers.onClose(event, context);
    else this.#handlers.onError(event, context);
  }
}

/**
 * Returns whether the client left while its request was handled. Deno would still upgrade the request, to a socket that
 * never opens and that keeps the process from ending.
 */
async function isLost({ signal }: Request): Promise<boolean> {
  // Deno only starts to watch the connection when `signal` is read.
  await new Promise<void>((resolve) => systemClock.turn(resolve));
  return signal.aborted;
}

/**
 * Suppresses a warning of Deno: once a request's signal was read, it warns that the signal aborts for several reasons.
 */
function quietly<T>(upgrade: () => T): T {
  const { warn } = console;
  console.warn = () => {};
  try {
    return upgrade();
  } finally {
    console.warn = warn;
  }
}

/**
 * Returns a signal that aborts on SIGINT and SIGTERM, with a reason that names the one received.
 *
 * Its listeners stay, so that a second signal does not kill the process while it closes. They do not keep the process
 * alive. Call it once per process. On Windows, where Deno has no SIGTERM, it listens to SIGINT and SIGBREAK.
 */
export function terminationSignal(): AbortSignal {
  checkRuntime("Deno", "listen to signals");
  const other = Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM";
  return termination(["SIGINT", other], (name, listener) => Deno.addSignalListener(name, listener));
}

/** Milliseconds to wait after Deno reported that it has a whole response, before the connection may be cut. */
const linger = 100;

/**
 * Closes with Deno's abort signal only. `shutdown()` ends every WebSocket with 1001 as soon as it is called, and waits
 * for ever for a peer that does not read. After it, the abort signal throws and cuts nothing. Therefore the listener
 * stays until the notifier's sockets are closed, and new requests are refused by a response.
 */
function listen(listening: Listening): Host {
  checkRuntime("Deno", "serve");
  const { port, hostname, answer, refused, report, scope } = listening;
  const cutting = new AbortController();
  const flight = createFlight();
  let stopped = false;
  const onError = (error: unknown): Response => {
    // Without a reason, the notifier has cut a stream.
    if (error !== undefined) report(error);
    return new Response("Internal Server Error", { status: 500 });
  };
  const options = { port, hostname, signal: cutting.signal, onListen() {}, onError };
  const server = Deno.serve(options, (request, info) => {
    const isUpgrade = wantsWebSocket(request.headers.get("upgrade"));
    if (stopped) {
      if (isUpgrade) refused(request.url, 503, "the server is closing");
      return refusal();
    }
    flight.enter(info.completed);
    return isUpgrade
      ? flight.refusable((isRefused) => answerUpgrade(listening, request, info, isRefused))
      : answer(request, info);
  });
  return {
    port: server.addr.port,
    stop() {
      stopped = true;
    },
    async drained() {
      await scope.wait<void>("responses", undefined, ({ resolve }) => flight.onQuiet(resolve));
      const rest = flight.completed() + linger - performance.now();
      if (rest > 0) await scope.sleep("last response", rest);
    },
    async cut() {
      if (flight.refuse()) await scope.sleep("refusals", 0);
      cutting.abort();
      await server.finished;
    },
  };
}

/** Answers an upgrade request. Once it is upgraded, the response MUST be Deno's own, which nothing may replace. */
async function answerUpgrade(
  { upgrade, report }: Listening,
  request: Request,
  info: DenoInfo,
  isRefused: () => boolean,
): Promise<Response> {
  /** Whether the event loop has run anything else since the request arrived, such as the loss of its connection. */
  let waited = false;
  systemClock.turn(() => {
    waited = true;
  });
  const { handshake, response } = await upgrade(request, info);
  const { handlers, url } = handshake;
  if (handlers === undefined) return response;
  try {
    const isGone = isRefused() || (waited && (await isLost(request))) || isRefused();
    if (!isGone) return upgradeRequest(request, url, handlers, response);
  } catch (error) {
    report(error);
  }
  handshake.lose();
  return new Response("Bad Request", { status: 400 });
}

/** Creates a tracker of requests in flight, whose whole response Deno does not have yet, and of upgrades among them. */
function createFlight() {
  const upgrades = new Set<() => void>();
  let count = 0;
  let completed = -Infinity;
  let quiet = (): void => {};
  const leave = (): void => {
    completed = performance.now();
    if (--count === 0) quiet();
  };
  return {
    enter(completion: Promise<void>): void {
      count++;
      completion.then(leave, leave);
    },
    /** When Deno last reported that it has a whole response. It may not have written that response yet. */
    completed: () => completed,
    onQuiet(call: () => void): () => void {
      quiet = call;
      if (count === 0) call();
      return () => {};
    },
    /**
     * Answers an upgrade so that `refuse` can refuse it while it waits for its handler. Otherwise it would survive
     * Deno's abort signal, and its connection would stay for ever. After the refusal it MUST NOT be upgraded: Deno's
     * server ends, without an error, when an upgraded request gets any other response than Deno's own.
     */
    refusable: (answer: (isRefused: () => boolean) => Promise<Response>): Promise<Response> =>
      new Promise((resolve) => {
        const refuse = (): void => resolve(refusal());
        upgrades.add(refuse);
        answer(() => !upgrades.has(refuse)).then((response) => {
          upgrades.delete(refuse);
          resolve(response);
        });
      }),
    refuse(): boolean {
      const isAny = upgrades.size > 0;
      for (const refuse of upgrades) refuse();
      upgrades.clear();
      return isAny;
    },
  };
}
