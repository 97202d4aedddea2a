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
  type ServeOptions,
  type Server,
  termination,
  type UpgradeOptions,
} from "./host.ts";

/** The part of Deno's server WebSocket that is used here; what is handed out is Deno's own. */
export interface DenoWebSocket {
  /** 0 until it is open, 1 while it is, 2 while it is closing, 3 once it is closed. */
  readonly readyState: number;
  /** The subprotocol that was agreed to; "" for none. */
  readonly protocol: string;
  /** The URL, where Deno knows one. */
  readonly url: string;
  /** Bytes that wait to be sent; 0 once it is closing. */
  readonly bufferedAmount: number;
  /** How binary messages arrive: `"arraybuffer"` or `"blob"`. */
  binaryType: string;
  /** Sends a message. */
  send(data: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void;
  /** Begins the closing handshake. */
  close(code?: number, reason?: string): void;
  /** Hears an event: `open`, `message`, `close` or `error`. */
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
 * Serves a Hono app and its notifier on Deno, and ends both together.
 *
 * Resolves once it listens; rejects with `Deno.errors.AddrInUse` and the like when it cannot, and leaves nothing behind.
 * If `signal` has aborted before, or the notifier is closing, nothing listens: the server answered is closing already.
 *
 * Closing begins when `signal` aborts, `close()` is called or the notifier begins to close. It answers newcomers with
 * 503, closes the notifier, lets responses in flight finish, and after `grace` cuts the rest.
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
 * Works under `serve` of this module and under `Deno.serve(app.fetch)`; where the app is given a copy of the request there,
 * it answers 500, and its error says what to do. An exception thrown by `createEvents` refuses the upgrade with its
 * response.
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
      const message = "Cannot upgrade: Deno did not make this request; hand on its own, and no copy of it";
      throw new TypeError(message, { cause });
    }
  },
);

/** Upgrades Deno's own request. Answers Deno's own response, with the headers that the app has said. */
function upgradeRequest(
  request: Request,
  url: string,
  handlers: Required<WSEvents<DenoWebSocket>>,
  said: Response,
): Response {
  const protocol = subprotocolOf(request.headers.get("sec-websocket-protocol"));
  // Liveness is the notifier's own; Deno's timer would also hold the process for 15 s behind a peer that chatters.
  const { socket, response } = quietly(() => Deno.upgradeWebSocket(request, { idleTimeout: 0 }));
  // Not by Deno's option, which throws when the client wrote its offers without spaces between them.
  if (protocol !== undefined) response.headers.set("sec-websocket-protocol", protocol);
  for (const [name, value] of saidHeaders(said)) response.headers.append(name, value);
  socket.binaryType = "arraybuffer";
  const connection = new DenoConnection(socket, url, protocol ?? "", handlers);
  socket.addEventListener("open", connection, { once: true });
  for (const type of ["message", "close", "error"]) socket.addEventListener(type, connection);
  return response;
}

/** Hears all events of its socket. Functions would be four, and the request would hang from each. */
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

  // biome-ignore lint/suspicious/noExplicitAny: the class of the event is Hono's to name, and not every runtime has it.
  handleEvent(event: any): void {
    const context = this as unknown as WSContext<DenoWebSocket>;
    if (event.type === "message") this.#handlers.onMessage(event, context);
    else if (event.type === "open") this.#handlers.onOpen(event, context);
    else if (event.type === "close") this.#handlers.onClose(event, context);
    else this.#handlers.onError(event, context);
  }
}

/**
 * Whether a client has gone while its request was looked at. Deno would upgrade it all the same, to a socket that never
 * opens, and that keeps the process from ending.
 */
async function isLost({ signal }: Request): Promise<boolean> {
  // It only begins to look when it is asked for its signal.
  await new Promise<void>((resolve) => systemClock.turn(resolve));
  return signal.aborted;
}

/** Keeps Deno from warning whoever has looked at a request's signal that it aborts for more than one reason. */
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
 * Answers a signal that aborts on SIGINT and SIGTERM, with a reason that names the one received.
 *
 * Its listeners stay, so that a second signal does not kill the process while it closes, and do not keep it alive.
 * Call it once a process. On Windows, where Deno knows no SIGTERM, it hears SIGINT and SIGBREAK.
 */
export function terminationSignal(): AbortSignal {
  checkRuntime("Deno", "listen to signals");
  const other = Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM";
  return termination(["SIGINT", other], (name, heard) => Deno.addSignalListener(name, heard));
}

/** Milliseconds given to a response after Deno said it had it, before the connection may be cut. */
const linger = 100;

/**
 * Closes by Deno's abort signal alone. `shutdown()` ends every WebSocket with 1001 the moment it is called, waits for
 * ever for a peer that does not read, and once called the abort signal throws and cuts nothing. Until the notifier's
 * sockets are closed the listener therefore stays, and newcomers are refused by a response.
 */
function listen(listening: Listening): Host {
  checkRuntime("Deno", "serve");
  const { port, hostname, answer, refused, report, scope } = listening;
  const cutting = new AbortController();
  const flight = createFlight();
  let stopped = false;
  const onError = (error: unknown): Response => {
    report(error);
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
      ? flight.refusable((isRefused) => knock(listening, request, info, isRefused))
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

/** Answers a request for a WebSocket: with Deno's own response where it is let in, which nothing may replace. */
async function knock(
  { upgrade, report }: Listening,
  request: Request,
  info: DenoInfo,
  isRefused: () => boolean,
): Promise<Response> {
  /** Whether the process has come to anything else since the request arrived, the loss of its connection for one. */
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

/** What is in flight: requests that Deno has not got the whole response of, and among them upgrades. */
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
    /** When Deno last said that it had all of a response; not that it had written it. */
    completed: () => completed,
    onQuiet(call: () => void): () => void {
      quiet = call;
      if (count === 0) call();
      return () => {};
    },
    /**
     * An upgrade that waits for its handler survives Deno's abort signal, and its connection would for ever. Once it is
     * refused it must not be upgraded any more: Deno's server ends, without a word, at any other response than that one.
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

function refusal(): Response {
  return new Response("Service Unavailable", {
    status: 503,
    headers: { connection: "close", "retry-after": "1" },
  });
}
