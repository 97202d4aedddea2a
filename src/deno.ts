/**
 * A Hono app and its notifier on Deno: a server that ends with its notifier, and the upgrade to a WebSocket.
 *
 * @module
 */

import { HTTPException } from "hono/http-exception";
import type { UpgradeWebSocket, WSContext, WSEvents } from "hono/ws";
import { systemClock } from "./clock.ts";
import { Connection } from "./connection.ts";
import { guard } from "./guard.ts";
import { upgrader } from "./handlers.ts";
import {
  type App,
  checkHandshake,
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
  /** The response that Deno made to the upgrade of this request. */
  [upgraded]?: Response;
  /** Whether the process has come to anything else since the request arrived, the loss of its connection for one. */
  [waited]?: boolean;
}

/** Where a request's `env` carries what `serve` and `upgradeWebSocket` tell each other. */
const upgraded: unique symbol = Symbol("upgraded");
const waited: unique symbol = Symbol("waited");

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
 * Works under `serve` of this module and under `Deno.serve(app.fetch)`. An exception thrown by `createEvents` refuses
 * the upgrade with its response.
 *
 * ```ts
 * app.get("/notifications", upgradeWebSocket(notifications(notifier)));
 * ```
 */
export const upgradeWebSocket: UpgradeWebSocket<DenoWebSocket, UpgradeOptions> = upgrader<DenoWebSocket>(
  async (c, events, options) => {
    if (!wantsWebSocket(c.req.header("upgrade"))) return;
    checkHandshake(c);
    const info = c.env as DenoInfo | undefined;
    if (info?.[waited] !== false && (await isLost(c.req.raw))) throw new HTTPException(400);
    const protocol = subprotocol(c.req.header("sec-websocket-protocol")?.split(",") ?? []);
    // Liveness is the notifier's own; Deno's timer would also hold the process for 15 s behind a peer that chatters.
    const { socket, response } = quietly(() => Deno.upgradeWebSocket(c.req.raw, { idleTimeout: 0 }));
    // Not by Deno's option, which throws when the client wrote its offers without spaces between them.
    if (protocol !== undefined) response.headers.set("sec-websocket-protocol", protocol);
    const guarded = guard(c, events, options);
    if (info !== undefined) info[upgraded] = response;
    socket.binaryType = "arraybuffer";
    const connection = new DenoConnection(socket, c.req.url, protocol ?? "", guarded);
    socket.addEventListener("open", connection, { once: true });
    for (const type of ["message", "close", "error"]) socket.addEventListener(type, connection);
    return response;
  },
);

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
function listen({ port, hostname, answer, report, scope }: Listening): Host {
  const cutting = new AbortController();
  const flight = createFlight();
  let stopped = false;
  const onError = (error: unknown): Response => {
    report(error);
    return new Response("Internal Server Error", { status: 500 });
  };
  const options = { port, hostname, signal: cutting.signal, onListen() {}, onError };
  const server = Deno.serve(options, (request, info) => {
    if (stopped) return refusal();
    flight.enter(info.completed);
    const isUpgrade = wantsWebSocket(request.headers.get("upgrade") ?? undefined);
    if (isUpgrade) {
      info[waited] = false;
      systemClock.turn(() => {
        info[waited] = true;
      });
    }
    const response = answer(request, info);
    return isUpgrade && response instanceof Promise ? flight.refusable(response, info) : response;
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

/** What is in flight: requests that Deno has not got the whole response of, and among them upgrades. */
function createFlight() {
  const upgrades = new Set<() => void>();
  let count = 0;
  let completed = Number.NEGATIVE_INFINITY;
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
     * An upgrade that waits for its handler survives Deno's abort signal, and its connection would for ever.
     *
     * Once Deno has upgraded a request its server ends, without a word, at any other response than the one it made. A
     * middleware that puts another in its place, or throws behind the upgrade, is not heard, as on Node and Bun.
     */
    refusable: (response: Promise<Response>, info: DenoInfo): Promise<Response> =>
      new Promise((resolve) => {
        const refuse = (): void => resolve(info[upgraded] ?? refusal());
        upgrades.add(refuse);
        response.then((answered) => {
          upgrades.delete(refuse);
          resolve(answered.status === 101 ? answered : (info[upgraded] ?? answered));
        });
      }),
    refuse(): boolean {
      for (const refuse of upgrades) refuse();
      return upgrades.size > 0;
    },
  };
}

function refusal(): Response {
  return new Response("Service Unavailable", {
    status: 503,
    headers: { connection: "close", "retry-after": "1" },
  });
}
