import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { systemClock } from "./clock.ts";
import { contained, hook } from "./guard.ts";
import type { CloseReport, Notifier } from "./notifier.ts";
import { jsonCodec } from "./protocol.ts";
import { Scope } from "./scope.ts";
import { checked } from "./settings.ts";

/** What is served: a Hono app, or anything else with such a `fetch`. */
export interface App {
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
}

/** How an app is served. The same on every runtime. */
export interface ServeOptions {
  /** The notifier that ends together with this server, whichever of the two begins to close. */
  notifier: Pick<Notifier, "close" | "closing" | "report"> & Partial<Pick<Notifier, "maxMessage">>;
  /** Closes the server and the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** The TCP port; 0 picks a free one. Default: 3000. */
  port?: number | undefined;
  /** The address to listen on; `"0.0.0.0"` is every one of the machine's. Default: `"127.0.0.1"`, on every runtime. */
  hostname?: string | undefined;
  /** Milliseconds that closing may take, responses in flight included. Default: 5000. */
  grace?: number | undefined;
  /**
   * The largest message in bytes that a WebSocket may send; above it it is closed with 1009. Default: the notifier's
   * `limits.message`, which is the least that it can be. Deno reads any frame up to 64 MiB, and leaves it to the notifier.
   */
  maxMessage?: number | undefined;
  /** Hears what was thrown where nobody waits for it: in `app.fetch`, in a WebSocket handler. Default: the notifier's. */
  onError?: ((error: unknown) => void) | undefined;
}

/** A server that listens. Disposing of it closes it. */
export interface Server extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Where to reach it, without a trailing slash: `http://127.0.0.1:3000`. */
  readonly url: string;
  /**
   * Closes the server and its notifier, and answers the notifier's report. Calling it again answers the same promise.
   *
   * Aborting `signal` ends the grace: what is still in flight is cut now.
   */
  close(options?: { signal?: AbortSignal | undefined }): Promise<CloseReport>;
  /** Settles when nothing of the server is left, at the latest after its grace, and never rejects. */
  readonly closed: Promise<CloseReport>;
}

/** How a WebSocket is upgraded. */
export interface UpgradeOptions {
  /** Hears what the handlers throw. Default: the `onError` of `serve`, or `console.error`. */
  onError?: ((error: unknown) => void) | undefined;
}

/** What a runtime is asked for when it is to listen. */
export interface Listening {
  port: number;
  hostname: string;
  grace: number;
  maxMessage: number;
  /** Answers a request: never throws, never rejects. */
  answer(request: Request, env: object): Response | Promise<Response>;
  report(error: unknown): void;
  /** The server's own lifetime, over once it is closed. */
  scope: Scope;
}

/** A runtime's HTTP server, as far as closing it goes. */
export interface Host {
  readonly port: number;
  /** Takes no new connection, and frees those without a request, as far as the runtime can. */
  stop(): void;
  /** Settles when every response was written and every upgrade answered. Called after `stop`, once. */
  drained(): Promise<void>;
  /** Ends every connection that is left, WebSockets too. Called last, once. */
  cut(): void | Promise<void>;
}

/** Serves an app on a runtime's HTTP server and ends both with the notifier, under one deadline. */
export async function host(
  app: App,
  options: ServeOptions,
  listen: (listening: Listening) => Host | Promise<Host>,
): Promise<Server> {
  const { notifier, signal, port = 3000, hostname = "127.0.0.1", grace = 5000 } = options;
  const {
    maxMessage = notifier.maxMessage ?? 1_048_576,
    onError = (error) => notifier.report(error, { stage: "host", owner: "serve" }),
  } = options;
  checked("grace", grace, 0);
  if (!(maxMessage >= (notifier.maxMessage ?? 1))) {
    const why = `its clients may send ${notifier.maxMessage} bytes by limits.message`;
    throw new RangeError(`Cannot serve the notifier with maxMessage "${maxMessage}": ${why}`);
  }
  const report = contained(onError);
  const scope = new Scope(systemClock, report);
  const answer = (request: Request, env: object) =>
    respond(app, request, Object.assign(env, { [hook]: report }), report);
  const listening: Listening = { port, hostname, grace, maxMessage, answer, report, scope };
  const stopped = signal?.aborted || notifier.closing.aborted;
  const opened = stopped ? unopened(port) : await listen(listening);
  const ending = lifetime(opened, options, grace, listening);
  return {
    port: opened.port,
    url: `http://${authority(hostname)}:${opened.port}`,
    ...ending,
    [Symbol.asyncDispose]: async () => {
      await ending.close();
    },
  };
}

/** Begins to close by `signal`, by the notifier or by hand, whichever comes first. */
function lifetime(
  opened: Host,
  { notifier, signal }: ServeOptions,
  grace: number,
  { scope, report }: Listening,
): Pick<Server, "close" | "closed"> {
  const deadline = new AbortController();
  const expire = (): void => deadline.abort();
  let resolve: (report: CloseReport | Promise<CloseReport>) => void;
  const closed = new Promise<CloseReport>((settle) => {
    resolve = settle;
  });
  let phase: "open" | "closing" | "closed" = "open";
  const begin = (): void => {
    if (phase !== "open") return;
    phase = "closing";
    scope.timer("grace of the server", grace, expire);
    const finished = finish(opened, notifier, grace, deadline.signal, scope, report);
    resolve(
      finished.finally(() => {
        phase = "closed";
        scope.end();
      }),
    );
  };
  scope.link(signal, begin);
  scope.link(notifier.closing, begin);
  const close: Server["close"] = (options) => {
    // A scope that is over would listen to this signal for ever.
    if (phase !== "closed") scope.link(options?.signal, expire);
    begin();
    return closed;
  };
  return { close, closed };
}

/** Runs the phases of closing. Nothing a host throws keeps the later ones from happening. */
async function finish(
  opened: Host,
  notifier: ServeOptions["notifier"],
  grace: number,
  deadline: AbortSignal,
  scope: Scope,
  report: (error: unknown) => void,
): Promise<CloseReport> {
  const attempt = async (act: () => void | Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (error !== deadline.reason) report(error);
    }
  };
  // Not awaited between the two: the notifier must refuse in the same turn in which the host stops.
  const stopped = attempt(() => opened.stop());
  const settled = await notifier.close({ signal: deadline, grace });
  await stopped;
  if (!deadline.aborted) await attempt(() => scope.follow("responses", deadline, opened.drained()));
  await attempt(() => opened.cut());
  return settled;
}

/** Stands in for a server whose signal had aborted before it began. */
function unopened(port: number): Host {
  return { port, stop() {}, drained: async () => {}, cut() {} };
}

function respond(
  app: App,
  request: Request,
  env: object,
  report: (error: unknown) => void,
): Response | Promise<Response> {
  const fail = (error: unknown): Response => {
    report(error);
    return new Response("Internal Server Error", { status: 500 });
  };
  try {
    const response = app.fetch(request, env);
    return response instanceof Promise ? response.catch(fail) : response;
  } catch (error) {
    return fail(error);
  }
}

/** The subprotocol to answer with: the codec's where it is offered, else none, whatever else is. */
export function subprotocol(offered: Iterable<string>): string | undefined {
  for (const offer of offered) if (offer.trim() === jsonCodec.subprotocol) return jsonCodec.subprotocol;
  return undefined;
}

/** Whether a request asks for a WebSocket. The header's value has no case. */
export function wantsWebSocket(upgrade: string | undefined): boolean {
  return upgrade?.toLowerCase() === "websocket";
}

/**
 * Throws the refusal of a request for a WebSocket that is not a whole one, by RFC 6455, 4.2.1, or that names a host which
 * no URL can have. Left to themselves some runtimes let such a request in, and others answer that the server is at fault.
 */
export function checkHandshake(c: Context): void {
  const tokens = c.req.header("connection")?.toLowerCase().split(",") ?? [];
  const key = c.req.header("sec-websocket-key") ?? "";
  const isWhole = tokens.some((token) => token.trim() === "upgrade") && /^[+/0-9A-Za-z]{22}==$/.test(key);
  if (!isWhole || !URL.canParse(c.req.url)) throw new HTTPException(400);
  if (c.req.header("sec-websocket-version") !== "13") {
    const headers = { "Sec-WebSocket-Version": "13" };
    throw new HTTPException(426, { res: new Response("Upgrade Required", { status: 426, headers }) });
  }
}

/** Turns the operating system's requests to end into a signal. A second one is heard and changes nothing. */
export function termination(
  names: readonly string[],
  listen: (name: string, heard: () => void) => void,
): AbortSignal {
  const controller = new AbortController();
  for (const name of names) {
    listen(name, () => controller.abort(new DOMException(`Received ${name}`, "AbortError")));
  }
  return controller.signal;
}

function authority(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "localhost";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
