import { checkBound } from "../base/check.ts";
import { systemClock } from "../base/clock.ts";
import { isThenable } from "../base/maybe-promise.ts";
import { Scope } from "../base/scope.ts";
import { type CloseReport, mergedReport } from "../engine/hub/close.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import { contained } from "./guard.ts";
import { carry, Handshake } from "./handshake.ts";

/** What is served: a Hono app, or anything else with such a `fetch`. */
export interface App {
  /** Answers a request. `env` is what the runtime's entry tells its `upgradeWebSocket`. */
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
}

/** What of a notifier a server uses. */
export type ServedNotifier = Pick<Notifier, "close" | "closing" | "report"> &
  Partial<Pick<Notifier, "refused" | "maxMessage">>;

/** How an app is served. The same on every runtime. */
export interface ServeOptions {
  /**
   * The notifier that ends together with this server, whichever of the two begins to close; or all that the app has, which
   * then end together. Sessions of one that is not given here are cut once the others are closed. The first hears of what
   * goes wrong in the server itself.
   */
  notifier: ServedNotifier | readonly ServedNotifier[];
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
  onError?: ((error: unknown) => unknown) | undefined;
}

/** A server that listens. Disposing of it closes it. */
export interface Server extends AsyncDisposable {
  /** The port it listens on. */
  readonly port: number;
  /** Where to reach it, without a trailing slash: `http://127.0.0.1:3000`. */
  readonly url: string;
  /**
   * Closes the server and its notifier, and answers the notifier's report; of several, one with all of theirs. Calling it
   * again answers the same promise.
   *
   * Aborting `signal` ends the grace: what is still in flight is cut now.
   */
  close(options?: { signal?: AbortSignal | undefined }): Promise<CloseReport>;
  /** Settles when nothing of the server is left, at the latest after its grace, and never rejects. */
  readonly closed: Promise<CloseReport>;
}

/** How a WebSocket is upgraded. */
export interface UpgradeOptions {
  /** Hears what the handlers throw, and why an upgrade fails. Default: the `onError` of `serve`, or `console.error`. */
  onError?: ((error: unknown) => unknown) | undefined;
}

/** What a runtime is asked for when it is to listen. */
export interface Listening {
  port: number;
  hostname: string;
  grace: number;
  maxMessage: number;
  /** Answers a request: never throws, never rejects. */
  answer(request: Request, env: object): Response | Promise<Response>;
  /** Answers a request for a WebSocket: where the handshake has handlers then, it is to be upgraded. Never rejects. */
  upgrade(request: Request, env: object): Promise<{ handshake: Handshake; response: Response }>;
  /** Tells that a request for a WebSocket, of that address, was refused by the server itself. */
  refused(url: string, code: number, reason: string): void;
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
  const notifiers = notifiersOf(app, options);
  const { signal, port = 3000, hostname = "127.0.0.1", grace = 5000 } = options;
  const maxMessage = messageOf(notifiers, options.maxMessage);
  const [first] = notifiers;
  const { onError = (error: unknown) => first.report(error, { stage: "host", owner: "serve" }) } = options;
  checkBound("grace", grace);
  const report = contained(onError);
  const scope = new Scope(systemClock, report);
  const answer = (request: Request, env: object) => respond(app, request, env, report);
  const refused: Listening["refused"] = (url, code, reason) =>
    first.refused?.({ code, reason, path: pathOf(url) });
  const upgrade: Listening["upgrade"] = async (request, env) => {
    const handshake = new Handshake(report);
    carry(handshake, request, env);
    const response = await answer(request, env);
    const isRefused = handshake.handlers === undefined && response?.status >= 400;
    if (isRefused && !handshake.isTold) refused(request.url, response.status, reasonOf(response));
    return { handshake, response };
  };
  const listening: Listening = { port, hostname, grace, maxMessage, answer, upgrade, refused, report, scope };
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

/** The largest message that is read: what any of the notifiers lets its clients send, unless more is given. */
function messageOf(notifiers: readonly ServedNotifier[], given: number | undefined): number {
  const least = Math.max(...notifiers.map(({ maxMessage = 1 }) => maxMessage));
  if (given === undefined) return least > 1 ? least : 1_048_576;
  if (given >= least) return given;
  const why = `its clients may send ${least} bytes by limits.message`;
  throw new RangeError(`Cannot serve the notifier with maxMessage "${given}": ${why}`);
}

/** The notifiers of a server, of which there is one at least. Throws a TypeError for arguments that cannot be served. */
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

/** The path of an address, whole or without its host. What it asks for behind the path may be a secret. */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "") || "/";
}

/** Why an app may have refused a request for a WebSocket, which it does not say. */
function reasonOf({ status }: Response): string {
  return status === 404
    ? "nothing is at this path; give upgradeWebSocket(…) the path and the method GET"
    : "the app refused it before it came to upgradeWebSocket(…), or has none there";
}

/** Begins to close by `signal`, by the notifier or by hand, whichever comes first. */
function lifetime(
  opened: Host,
  notifiers: readonly ServedNotifier[],
  signal: AbortSignal | undefined,
  { grace, scope, report }: Listening,
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
    const finished = finish(opened, notifiers, grace, deadline.signal, scope, report);
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
  notifiers: readonly ServedNotifier[],
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
  // Not awaited between the two: the notifiers must refuse in the same turn in which the host stops.
  const stopped = attempt(() => opened.stop());
  const reports = await Promise.all(notifiers.map((each) => each.close({ signal: deadline, grace })));
  await stopped;
  if (!deadline.aborted) await attempt(() => scope.waitFor("responses", deadline, opened.drained()));
  await attempt(() => opened.cut());
  return mergedReport(reports);
}

/** Throws a TypeError where this is another runtime than the one that an entry is for. */
export function checkRuntime(name: "Bun" | "Deno", verb: string): void {
  if (name in globalThis) return;
  const message = `Cannot ${verb}: this is not ${name}; import from the entry of this runtime, such as tocsin/node`;
  throw new TypeError(message);
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
    return isThenable(response) ? Promise.resolve(response).catch(fail) : response;
  } catch (error) {
    return fail(error);
  }
}

/** Turns the operating system's requests to end into a signal. A second one is heard and changes nothing. */
export function termination<Name extends string>(
  names: readonly Name[],
  listen: (name: Name, heard: () => void) => void,
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
