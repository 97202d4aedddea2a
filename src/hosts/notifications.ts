import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { WSEvents } from "hono/ws";
import { checkPeer } from "../access/peer-check.ts";
import { handled, type MaybePromise } from "../base/maybe-promise.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Authorize, Identity } from "../model/peer.ts";
import type { Refused } from "../model/refused.ts";
import { PeerHandlers } from "./handlers.ts";
import { handshakeOf, unknownEncoding, wantsWebSocket } from "./handshake.ts";
import { isOwn, type Origins, originsOf } from "./origins.ts";

/** How connections are accepted. */
export interface NotificationsOptions {
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

/**
 * Returns the argument of any Hono `upgradeWebSocket`. Before the upgrade it refuses with 426 (no WebSocket was
 * requested), 503 and `Retry-After` (closing, or full), 400 (only encodings that the notifier does not have), 403
 * (Origin) or 401 (not authenticated). Otherwise it connects the peer. The notifier's `onRefused` is called for each refusal.
 *
 * Throws a TypeError for options that cannot work: an unknown name, an invalid entry of `origins`, or a value that is
 * not a function.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createNotifier } from "tocsin";
 * import { notifications } from "tocsin/hono";
 * import { upgradeWebSocket } from "tocsin/node";
 *
 * const notifier = createNotifier();
 * const app = new Hono<{ Variables: { user: string } }>();
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, {
 *   authenticate: (c) => ({ user: c.get("user") }), // set by your middleware, which has authenticated the user
 *   authorize: (_peer, { type, channel }) => type === "subscribe" && channel.startsWith("public:"),
 * })));
 * ```
 */
export function notifications(
  notifier: Notifier,
  options: NotificationsOptions = {},
): (c: Context) => Promise<WSEvents> {
  checkArguments(notifier, options);
  const { origins, authorize } = options;
  const isAllowed = typeof origins === "function" ? byFunction(origins) : byList(origins);
  return async (c) => {
    const refuse: Refuse = (code, reason, origin) => {
      reportRefusal(c, notifier, { code, reason, origin });
      const [text, headers = {}] = answers[code];
      return new HTTPException(code, { res: new Response(text, { status: code, headers }) });
    };
    if (!wantsWebSocket(c.req.header("upgrade"))) throw refuse(426, noWebSocket);
    if (notifier.closing.aborted) throw refuse(503, closing);
    const encoding = unknownEncoding(c, notifier);
    if (encoding !== undefined) throw refuse(400, encoding);
    const origin = c.req.header("origin");
    // Most checks return synchronously, and an `await` would cost as much as the rest of this function.
    const allowing = ask(isAllowed, origin, c, notifier);
    if (!(allowing instanceof Promise ? await allowing : allowing))
      throw refuse(403, foreign(c, origin, origins), origin ?? "");
    const identifying = identify(c, notifier, options, refuse);
    const identity = identifying instanceof Promise ? await identifying : identifying;
    if (identity === null) throw refuse(401, "authenticate answered null");
    // Closing may have started while the identity was looked up.
    if (notifier.closing.aborted) throw refuse(503, closing);
    const place = notifier.reserve(identity.user);
    if (typeof place === "string") throw refuse(503, `limits.${place} is reached`);
    return new PeerHandlers(notifier, { ...identity, authorize }, place);
  };
}

type Refuse = (code: Code, reason: string, origin?: string) => HTTPException;

type Code = 400 | 401 | 403 | 426 | 500 | 503;

/** The response for each status. */
const answers: Readonly<Record<Code, readonly [text: string, headers?: Record<string, string>]>> = {
  400: ["Bad Request"],
  401: ["Unauthorized", { "WWW-Authenticate": "Bearer" }],
  403: ["Forbidden"],
  426: ["Upgrade Required", { Upgrade: "websocket", Connection: "Upgrade" }],
  500: ["Internal Server Error"],
  // A client that is refused because the notifier is closing or full may try again after this many seconds.
  503: ["Service Unavailable", { "Retry-After": "1" }],
};

const noWebSocket =
  "no WebSocket was asked for; connect to ws: or wss:, and have every proxy pass on Upgrade and Connection";
const closing = "the notifier is closing";

/** Returns why a page's origin is refused, and how to allow it. */
function foreign(c: Context, origin = "", origins: NotificationsOptions["origins"]): string {
  const page = JSON.stringify(origin.slice(0, 200));
  const host = JSON.stringify(c.req.header("host")?.slice(0, 200) ?? "");
  if (typeof origins === "function") return `the function origins does not answer true for ${page}`;
  if (origins !== undefined)
    return `the page is of ${page}, and origins lists ${[origins].flat().join(", ") || "none"}; add it there`;
  return `the page is of ${page}, and the Host is ${host}; have the proxy pass on Host, or list the page in origins`;
}

function reportRefusal(c: Context, notifier: Notifier, refused: Refused): void {
  const handshake = handshakeOf(c);
  if (handshake !== undefined) handshake.isTold = true;
  notifier.refused({ path: c.req.path, ...refused });
}

function checkArguments(notifier: Notifier, options: NotificationsOptions): void {
  if (typeof notifier?.accept !== "function")
    throw new TypeError(
      "Cannot make notifications: give a notifier first, notifications(createNotifier(), options)",
    );
  // A misspelt `authenticate` would accept everybody.
  for (const name of Object.keys(options))
    if (!["authenticate", "authorize", "origins"].includes(name))
      throw new TypeError(`Cannot use ${name}: notifications take authenticate, authorize and origins`);
  const { authenticate, authorize } = options;
  for (const [name, value] of Object.entries({ authenticate, authorize })) {
    if (value !== undefined && typeof value !== "function")
      throw new TypeError(
        `Cannot use ${name}: give a function, not ${value === null ? "null" : typeof value}`,
      );
  }
}

function identify(
  c: Context,
  notifier: Notifier,
  { authenticate }: NotificationsOptions,
  refuse: Refuse,
): MaybePromise<Identity | null> {
  if (authenticate === undefined) return { user: "" };
  const onThrow = (error: unknown): never => {
    if (hasResponse(error)) {
      reportRefusal(c, notifier, {
        code: error.status ?? 500,
        reason: "authenticate threw a response of its own",
      });
      throw error;
    }
    notifier.report(error, { stage: "authenticate", owner: c.req.path });
    throw refuse(500, "authenticate failed; onError has its error");
  };
  return handled(() => authenticate(c), checked, onThrow);
}

/** Returns whether Hono responds with the error's own response: it is an `HTTPException`, of any copy of Hono. */
function hasResponse(error: unknown): error is Error & { status?: number } {
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
  if (origins === undefined)
    return (origin, c) => origin === undefined || isOwn(origin, c.req.header("host"));
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
