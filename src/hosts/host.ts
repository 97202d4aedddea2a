import { checkBound } from "../base/check.ts";
import { systemClock } from "../base/clock.ts";
import { isThenable } from "../base/maybe-promise.ts";
import { Scope } from "../base/scope.ts";
import { type CloseReport, mergedReport } from "../engine/hub/close.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import { contained } from "./guard.ts";
import { carry, Handshake } from "./handshake.ts";
import { Posting, pathOf } from "./posting.ts";

/** An app to serve: a Hono app, or any other object with this `fetch`. */
export interface App {
  /** Returns the response to a request. `env` is what the `upgradeWebSocket` of the runtime's entry needs. */
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
}

/** The part of a notifier that a server uses. */
export type ServedNotifier = Pick<Notifier, "close" | "closing" | "report"> &
  Partial<Pick<Notifier, "refused" | "maxMessage">>;

/** How to serve an app. The options are the same on every runtime. */
export interface ServeOptions {
  /**
   * The notifier that closes together with this server, whichever of the two starts to close. Or a list of all
   * notifiers of the app, which then close together. The sessions of a notifier that is not listed are cut once the
   * others are closed. Errors of the server itself are reported to the first one.
   */
  notifier: ServedNotifier | readonly ServedNotifier[];
  /** Closes the server and the notifier when it aborts. */
  signal?: AbortSignal | undefined;
  /** The TCP port; 0 picks a free one. Default: 3000. */
  port?: number | undefined;
  /**
   * The address to listen on; `"0.0.0.0"` is all IPv4 addresses of the machine. Default: `"127.0.0.1"`, on every
   * runtime.
   */
  hostname?: string | undefined;
  /** The maximum milliseconds that closing takes, including responses in flight. Default: 5000. */
  grace?: number | undefined;
  /**
   * The largest message in bytes that a WebSocket may send. A larger one closes it with 1009. Default and minimum: the
   * notifier's `limits.message`. On Deno this option has no effect: Deno reads frames of up to 64 MiB, and the notifier
   * checks them.
   */
  maxMessage?: number | undefined;
  /**
   * Is called with errors that `app.fetch` and WebSocket handlers throw. Default: reports them to the first notifier.
   */
  onError?: ((error: unknown) => unknown) | undefined;
}

/** A listening server. Disposing of it closes it. */
export interface Server extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Its URL, without a trailing slash: `http://127.0.0.1:3000`. */
  readonly url: string;
  /**
   * Closes the server and its notifier, and returns the notifier's report. For several notifiers, returns one report
   * for all. Further calls return the same promise.
   *
   * Aborting `signal` ends the grace: everything still in flight is cut at once.
   */
  close(options?: { signal?: AbortSignal | undefined }): Promise<CloseReport>;
  /** Settles when nothing of the server is left, after its grace at the latest. Never rejects. */
  readonly closed: Promise<CloseReport>;
}

/** How to upgrade to a WebSocket. */
export interface UpgradeOptions {
  /**
   * Is called with errors of the handlers and of the upgrade. Default: the `onError` of `serve`, or `console.error`.
   */
  onError?: ((error: unknown) => unknown) | undefined;
}

/** What a runtime needs in order to listen. */
export interface Listening {
  port: number;
  hostname: string;
  grace: number;
  maxMessage: number;
  /** Returns the response to a request. Never throws or rejects. */
  answer(request: Request, env: object): Response | Promise<Response>;
  /** Returns the response to an upgrade request. If the handshake then has handlers, upgrade it. Never rejects. */
  upgrade(request: Request, env: object): Promise<{ handshake: Handshake; response: Response }>;
  /** Reports that the server itself refused an upgrade request to this URL. */
  refused(url: string, code: number, reason: string): void;
  report(error: unknown): void;
  readonly posting: Posting;
  /** The lifetime of the server. It ends once the server is closed. */
  scope: Scope;
}

/** A runtime's HTTP server: its port, and the steps of closing it. */
export interface Host {
  readonly port: number;
  /** Stops accepting connections, and closes connections without a request, as far as the runtime can. */
  stop(): void;
  /** Settles when every response is written and every upgrade answered. Is called once, after `stop`. */
  drained(): Promise<void>;
  /** Cuts all remaining connections, including WebSockets. Is called once, last. */
  cut(): void | Promise<void>;
}

/** Serves an app on a runtime's HTTP server, and closes both with the notifiers, under one deadline. */
export async function host(
  app: App,
  options: ServeOptions,
  listen: (listening: Listening) => Host | Promise<Host>,
): Promise<Server> {
  const notifiers = notifiersOf(app, options);
  const { signal, port = 3000, hostname = "127.0.0.1", grace = 5000 } = options;
  const maxMessage = messageOf(notifiers, options.maxMessage);
  const [first] = notifiers;
  const { onError = (error: unknown) => first.report(error, { stage: "host", owner: "serve" }) } = options;
  checkBound("grace", grace);
  const report = contained(onError);
  const scope = new Scope(systemClock, report);
  const posting = new Posting();
  const answer = (request: Request, env: object): Response | Promise<Response> => {
    if (posting.refuses(request)) return refusal();
    posting.attach(request, env);
    return respond(app, request, env, report);
  };
  const refused: Listening["refused"] = (url, code, reason) =>
    first.refused?.({ code, reason, path: pathOf(url) });
  const upgrade: Listening["upgrade"] = async (request, env) => {
    const handshake = new Handshake(report);
    carry(handshake, request, env);
    const response = await answer(request, env);
    const isRefused = handshake.handlers === undefined && response?.status >= 400;
    if (isRefused && posting.isStrict) {
      handshake.isTold = true;
      refused(request.url, response.status, "the server is closing");
    }
    if (isRefused && !handshake.isTold) refused(request.url, response.status, reasonOf(response));
    return { handshake, response };
  };
  const ours = { grace, maxMessage, answer, upgrade, refused, report, posting, scope };
  const listening: Listening = { port, hostname, ...ours };
  const stopped = signal?.aborted || notifiers.some(({ closing }) => closing.aborted);
  const opened = stopped ? unopened(port) : await listen(listening);
  const ending = lifetime(opened, notifiers, signal, listening);
  return {
    port: opened.port,
    url: `http://${authority(hostname)}:${opened.port}`,
    ...ending,
    [Symbol.asyncDispose]: async () => {
      await ending.close();
    },
  };
}

/** Returns the largest message to read: the largest that any of the notifiers allows, unless a larger one is given. */
function messageOf(notifiers: readonly ServedNotifier[], given: number | undefined): number {
  const minimum = Math.max(...notifiers.map(({ maxMessage = 1 }) => maxMessage));
  if (given === undefined) return minimum > 1 ? minimum : 1_048_576;
  if (given >= minimum) return given;
  const why = `its clients may send ${minimum} bytes by limits.message`;
  throw new RangeError(`Cannot serve the notifier with maxMessage "${given}": ${why}`);
}

/** Returns the notifiers of a server, at least one. Throws a TypeError for invalid arguments. */
function notifiersOf(app: App, options: ServeOptions | undefined): [ServedNotifier, ...ServedNotifier[]] {
  if (typeof app?.fetch !== "function")
    throw new TypeError(
      "Cannot serve: give a Hono app first, serve(app, { notifier }), or anything with its fetch",
    );
  const [first, ...others] = [options?.notifier].flat();
  const isNotifier = (each: ServedNotifier | undefined): each is ServedNotifier =>
    typeof each?.close === "function" && typeof each.report === "function";
  if (isNotifier(first) && others.every(isNotifier)) return [first, ...(others as ServedNotifier[])];
  throw new TypeError("Cannot serve: give the notifier that ends with the server, serve(app, { notifier })");
}

/** Returns the likely reason why an app refused an upgrade request. The response does not contain the reason. */
function reasonOf({ status }: Response): string {
  return status === 404
    ? "nothing is at this path; give upgradeWebSocket(…) the path and the method GET"
    : "the app refused it before it came to upgradeWebSocket(…), or has none there";
}

/** Starts closing when `signal` aborts, a notifier closes or `close()` is called, whichever is first. */
function lifetime(
  opened: Host,
  notifiers: readonly ServedNotifier[],
  signal: AbortSignal | undefined,
  listening: Listening,
): Pick<Server, "close" | "closed"> {
  const { grace, scope } = listening;
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
    const finished = finish(opened, notifiers, deadline.signal, listening);
    resolve(
      finished.finally(() => {
        phase = "closed";
        scope.end();
      }),
    );
  };
  scope.link(signal, begin);
  for (const { closing } of notifiers) scope.link(closing, begin);
  const close: Server["close"] = (options) => {
    // Once the server is closed, the signal has no effect.
    if (phase !== "closed") scope.link(options?.signal, expire);
    begin();
    return closed;
  };
  return { close, closed };
}

/** Runs the phases of closing. An error of the host does not prevent the later phases. */
async function finish(
  opened: Host,
  notifiers: readonly ServedNotifier[],
  deadline: AbortSignal,
  { grace, scope, posting, report }: Listening,
): Promise<CloseReport> {
  const attempt = async (act: () => void | Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (error !== deadline.reason) report(error);
    }
  };
  let stopped: Promise<void> | undefined;
  const stop = (): void => {
    posting.isStrict = false;
    stopped ??= attempt(() => opened.stop());
  };
  // No await between this and the next statement: the notifiers must start to refuse in the same turn in which the host
  // stops. Where clients of streams have to post, the host stops once they have come to their end.
  if (posting.isEmpty) stop();
  else {
    posting.isStrict = true;
    posting.onEmpty = stop;
  }
  const reports = await Promise.all(notifiers.map((each) => each.close({ signal: deadline, grace })));
  stop();
  await stopped;
  if (!deadline.aborted) await attempt(() => scope.waitFor("responses", deadline, opened.drained()));
  await attempt(() => opened.cut());
  return mergedReport(reports);
}

/** Throws a TypeError when this is not the runtime that an entry is for. */
export function checkRuntime(name: "Bun" | "Deno", verb: string): void {
  if (name in globalThis) return;
  const message = `Cannot ${verb}: this is not ${name}; import from the entry of this runtime, such as tocsin/node`;
  throw new TypeError(message);
}

/** Returns the host of a server that never listens, because its signal had aborted or a notifier was closing. */
function unopened(port: number): Host {
  return { port, stop() {}, drained: async () => {}, cut() {} };
}

/** Returns the response to a request that comes while the server closes. */
export function refusal(): Response {
  return new Response("Service Unavailable", {
    status: 503,
    headers: { connection: "close", "retry-after": "1" },
  });
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
    return isThenable(response) ? Promise.resolve(response).catch(fail) : response;
  } catch (error) {
    return fail(error);
  }
}

/** Returns a signal that aborts on the first of these signals of the operating system. Later ones change nothing. */
export function termination<Name extends string>(
  names: readonly Name[],
  listen: (name: Name, listener: () => void) => void,
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
