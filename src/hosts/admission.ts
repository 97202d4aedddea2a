import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { checkPeer } from "../access/peer-check.ts";
import { andThen, handled, type MaybePromise } from "../base/maybe-promise.ts";
import { urlOf } from "../base/url.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Authorize, Identity, Peer } from "../model/peer.ts";
import type { Session, Socket } from "../model/socket.ts";
import { handshakeOf } from "./handshake.ts";
import { isOwn, type Origins, originsOf } from "./origins.ts";

/** How clients are let in. */
export interface AdmissionOptions {
  /**
   * Identifies the client, from cookies, headers or values that middleware has set. `null` refuses with 401. An
   * `HTTPException` of any copy of Hono, which is an error with `getResponse`, refuses with its response. Any other
   * error refuses with 500, and is reported to the notifier's `onError`. `tokens` of `tocsin/tokens` and `redeem` of
   * `tocsin/tickets` can be used here. Default: everybody is accepted as an anonymous user, with no channels.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the Env of any app has to fit
  authenticate?: ((c: Context<any>) => Identity | null | Promise<Identity | null>) | undefined;
  /** Decides about everything beyond the identity's own channels and runs. Default: refuses. See {@linkcode cached}. */
  authorize?: Authorize | undefined;
  /**
   * Which web pages may connect: an origin (`"https://example.com"`), several, or a function that returns `true` for
   * those. A request without an `Origin` header comes from no web page: it is accepted, unless a function is given. The
   * function is called for it too, with `""`. A function that throws or rejects refuses the request, and its error is
   * reported. Default: pages of the same host, which is the request's `Host`, with any scheme.
   */
  origins?: Origins<Context> | undefined;
}

/** A client that is let in, and the place that is reserved for it until `release` is called. */
export interface Admitted {
  readonly peer: Peer;
  readonly release: () => void;
}

/** The statuses with which clients are refused. */
export type RefusalCode = 400 | 401 | 403 | 404 | 405 | 406 | 408 | 413 | 426 | 500 | 503;

/** The first line of the response for each status, and its headers. */
const answers: Readonly<Record<RefusalCode, readonly [text: string, headers?: Record<string, string>]>> = {
  400: ["Bad Request"],
  401: ["Unauthorized", { "WWW-Authenticate": "Bearer" }],
  403: ["Forbidden"],
  404: ["Not Found"],
  405: ["Method Not Allowed"],
  406: ["Not Acceptable"],
  408: ["Request Timeout"],
  413: ["Content Too Large"],
  426: ["Upgrade Required", { Upgrade: "websocket", Connection: "Upgrade" }],
  500: ["Internal Server Error"],
  // A client that is refused because the notifier is closing or full may try again after this many seconds.
  503: ["Service Unavailable", { "Retry-After": "1" }],
};

/** What is said of a refusal. */
export interface RefusalOptions {
  /** The origin of the page, if that is why. */
  readonly origin?: string;
  /** What the response says instead of the words of the status. */
  readonly text?: string;
  readonly headers?: Record<string, string>;
}

const closing = "the notifier is closing";

/**
 * Lets clients in, whatever they connect with: checks that the notifier is open, their origin and their identity, and
 * reserves a place. Each refusal is counted, and the notifier's `onRefused` is called.
 */
export class Admission {
  readonly #notifier: Notifier;
  readonly #options: AdmissionOptions;
  readonly #isAllowed: IsAllowed;

  /** Throws a TypeError for options that cannot work, which names the function that they were given to. */
  constructor(notifier: Notifier, options: AdmissionOptions, what: string) {
    checkArguments(notifier, options, what);
    const { origins } = options;
    this.#notifier = notifier;
    this.#options = options;
    this.#isAllowed = typeof origins === "function" ? byFunction(origins) : byList(origins);
  }

  /** Returns the refusal of a request, to be thrown. */
  refuse(
    c: Context,
    code: RefusalCode,
    reason: string,
    { origin, text, headers }: RefusalOptions = {},
  ): HTTPException {
    this.#report(c, { code, reason, ...(origin !== undefined && { origin }) });
    const [words, own = {}] = answers[code];
    const response = new Response(text ?? words, { status: code, headers: { ...own, ...headers } });
    return new HTTPException(code, { res: response });
  }

  /** Lets a client in, and reserves a place for it. Throws an HTTPException if it is refused. */
  async admit(c: Context): Promise<Admitted> {
    const notifier = this.#notifier;
    if (notifier.closing.aborted) throw this.refuse(c, 503, closing);
    // Most checks return synchronously, and an `await` would cost as much as the rest of this function.
    const allowing = this.checkOrigin(c);
    if (allowing instanceof Promise) await allowing;
    const identifying = this.#identify(c);
    const identity = identifying instanceof Promise ? await identifying : identifying;
    if (identity === null) throw this.refuse(c, 401, "authenticate answered null");
    // Closing may have started while the identity was looked up.
    if (notifier.closing.aborted) throw this.refuse(c, 503, closing);
    const place = notifier.reserve(identity.user);
    if (typeof place === "string") throw this.refuse(c, 503, `limits.${place} is reached`);
    return { peer: { ...identity, authorize: this.#options.authorize }, release: place };
  }

  /** Returns the session of a client that was let in. Throws an HTTPException if the identity cannot be used. */
  accept(c: Context, socket: Socket, peer: Peer): Session {
    try {
      return this.#notifier.accept(socket, peer);
    } catch (error) {
      this.#notifier.report(error, { stage: "authenticate", owner: "accept" });
      throw this.refuse(c, 500, "the identity of authenticate cannot be used; onError has the error");
    }
  }

  /** Throws an HTTPException if the page that sends a request is not allowed to. */
  checkOrigin(c: Context): MaybePromise<void> {
    const origin = c.req.header("origin");
    return andThen(ask(this.#isAllowed, origin, c, this.#notifier), (isAllowed) => {
      if (isAllowed) return;
      throw this.refuse(c, 403, foreign(c, origin, this.#options.origins), { origin: origin ?? "" });
    });
  }

  #report(c: Context, refused: { code: number; reason: string; origin?: string }): void {
    const handshake = handshakeOf(c);
    if (handshake !== undefined) handshake.isTold = true;
    this.#notifier.refused({ path: c.req.path, ...refused });
  }

  #identify(c: Context): MaybePromise<Identity | null> {
    const { authenticate } = this.#options;
    if (authenticate === undefined) return { user: "" };
    const onThrow = (error: unknown): never => {
      if (hasResponse(error)) {
        const reason = "authenticate threw a response of its own";
        this.#report(c, { code: error.status ?? 500, reason });
        throw error;
      }
      this.#notifier.report(error, { stage: "authenticate", owner: c.req.path });
      throw this.refuse(c, 500, "authenticate failed; onError has its error");
    };
    return handled(() => authenticate(c), checked, onThrow);
  }
}

function checkArguments(notifier: Notifier, options: AdmissionOptions, what: string): void {
  if (typeof notifier?.accept !== "function")
    throw new TypeError(`Cannot make ${what}: give a notifier first, ${what}(createNotifier(), options)`);
  // A misspelt `authenticate` would accept everybody.
  for (const name of Object.keys(options))
    if (!["authenticate", "authorize", "origins"].includes(name))
      throw new TypeError(`Cannot use ${name}: ${what} take authenticate, authorize and origins`);
  const { authenticate, authorize } = options;
  for (const [name, value] of Object.entries({ authenticate, authorize })) {
    if (value !== undefined && typeof value !== "function")
      throw new TypeError(
        `Cannot use ${name}: give a function, not ${value === null ? "null" : typeof value}`,
      );
  }
}

/** Returns the host that a request is for. Over HTTP/2 it is only in the URL. */
function hostOf(c: Context): string | undefined {
  return c.req.header("host") ?? urlOf(c.req.url)?.host;
}

/** Returns why a page's origin is refused, and how to allow it. */
function foreign(c: Context, origin = "", origins: AdmissionOptions["origins"]): string {
  const page = JSON.stringify(origin.slice(0, 200));
  const host = JSON.stringify(hostOf(c)?.slice(0, 200) ?? "");
  if (typeof origins === "function") return `the function origins does not answer true for ${page}`;
  if (origins !== undefined)
    return `the page is of ${page}, and origins lists ${[origins].flat().join(", ") || "none"}; add it there`;
  return `the page is of ${page}, and the Host is ${host}; have the proxy pass on Host, or list the page in origins`;
}

/** Returns whether Hono responds with the error's own response: it is an `HTTPException`, of any copy of Hono. */
export function hasResponse(error: unknown): error is Error & { status?: number } {
  return error instanceof Error && typeof (error as { getResponse?: unknown }).getResponse === "function";
}

function checked(identity: Identity | null): Identity | null {
  if (identity === null || identity === undefined) return null;
  if (typeof identity.user !== "string")
    throw new TypeError("Cannot authenticate: authenticate has to return { user }, with a string, or null");
  checkPeer(identity, Infinity);
  return identity;
}

type IsAllowed = (origin: string | undefined, c: Context) => MaybePromise<boolean>;

function byFunction(decide: (origin: string, c: Context) => MaybePromise<boolean>): IsAllowed {
  return (origin, c) => decide(origin ?? "", c);
}

/** Returns a check that allows listed pages, and requests without an origin. */
function byList(origins: string | readonly string[] | undefined): IsAllowed {
  if (origins === undefined) return (origin, c) => origin === undefined || isOwn(origin, hostOf(c));
  const all = originsOf(origins);
  return (origin) => origin === undefined || all.has(origin);
}

function ask(
  isAllowed: IsAllowed,
  origin: string | undefined,
  c: Context,
  notifier: Notifier,
): MaybePromise<boolean> {
  const onThrow = (error: unknown): false => {
    notifier.report(error, { stage: "origins", owner: c.req.path });
    return false;
  };
  return handled(
    () => isAllowed(origin, c),
    (allowed) => allowed === true,
    onThrow,
  );
}
