/**
 * Notifications for a Hono app: the argument of any Hono `upgradeWebSocket`.
 *
 * @module
 */

import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { WSEvents } from "hono/ws";
import { checkPeer } from "./check.ts";
import { apart, PeerHandlers } from "./handlers.ts";
import type { Notifier } from "./notifier.ts";
import type { Authorize, Identity } from "./peer.ts";
import { isThenable, type Soon } from "./soon.ts";

export { type CachedAuthorize, type CachedOptions, cached } from "./cached.ts";
export { metrics } from "./metrics.ts";
export type { Identity } from "./peer.ts";

/** How connections are let in. */
export interface NotificationsOptions {
  /**
   * Finds out who connects, from cookies, headers, or what middleware has set. `null` refuses with 401; an
   * `HTTPException` refuses with its response; any other throw refuses with 500 and is told to the notifier's `onError`.
   * `tokens` of `tocsin/tokens` and `redeem` of `tocsin/tickets` fit here.
   * Default: everybody is let in as nobody in particular, with no channels.
   */
  // biome-ignore lint/suspicious/noExplicitAny: an app's own Env has to fit, whatever it is
  authenticate?: ((c: Context<any>) => Identity | null | Promise<Identity | null>) | undefined;
  /** Decides about everything beyond the identity's channels and runs. Default: refuses. See {@linkcode cached}. */
  authorize?: Authorize | undefined;
  /**
   * Which web pages may connect: exact origins (`https://example.com`), or a function that says so, with `true`. Without
   * a function a request that has no `Origin` header is let in, since it comes from no web page; a function is asked about
   * it, too, with "". One that throws or rejects refuses, and is reported. Default: the origin of the request itself.
   */
  origins?: readonly string[] | ((origin: string, c: Context) => boolean | Promise<boolean>) | undefined;
}

/** Seconds after which a client refused because of closing, or because there are too many, may try again. */
const retryAfter = "1";

/**
 * Makes what every Hono `upgradeWebSocket` takes: it refuses before the upgrade with 426 (no WebSocket was asked for),
 * 503 and `Retry-After` (closing, or full), 403 (Origin) or 401 (nobody known), and otherwise connects the peer.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createNotifier } from "tocsin";
 * import { notifications } from "tocsin/hono";
 * import { upgradeWebSocket } from "tocsin/node";
 *
 * const notifier = createNotifier();
 * const app = new Hono();
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, {
 *   authenticate: (c) => ({ user: c.req.header("x-user") ?? "" }),
 *   authorize: (peer, { channel }) => channel.startsWith("public:"),
 * })));
 * ```
 */
export function notifications(
  notifier: Notifier,
  options: NotificationsOptions = {},
): (c: Context) => Promise<WSEvents> {
  return apart(async (c) => {
    if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
      throw refusal(426, "Upgrade Required", { Upgrade: "websocket", Connection: "Upgrade" });
    }
    refuseWhenClosing(notifier);
    // Most answers are there at once, and every wait costs as much as the rest of it.
    const allowed = isOriginAllowed(c, notifier, options);
    if (!(allowed instanceof Promise ? await allowed : allowed)) throw refusal(403, "Forbidden");
    const identifying = identify(c, notifier, options);
    const identity = identifying instanceof Promise ? await identifying : identifying;
    if (identity === null) throw refusal(401, "Unauthorized");
    // Closing may have begun while the identity was looked up.
    refuseWhenClosing(notifier);
    if (!notifier.admits(identity.user)) throw unavailable();
    return new PeerHandlers(notifier, { ...identity, authorize: options.authorize });
  });
}

function identify(
  c: Context,
  notifier: Notifier,
  { authenticate }: NotificationsOptions,
): Soon<Identity | null> {
  if (authenticate === undefined) return { user: "" };
  const failed = (error: unknown): never => {
    if (error instanceof HTTPException) throw error;
    notifier.report(error, { stage: "authenticate", owner: c.req.path });
    throw refusal(500, "Internal Server Error");
  };
  try {
    const found = authenticate(c);
    return isThenable(found) ? Promise.resolve(found).then(checked).catch(failed) : checked(found);
  } catch (error) {
    return failed(error);
  }
}

function checked(identity: Identity | null): Identity | null {
  if (identity === null || identity === undefined) return null;
  checkPeer(identity, Number.POSITIVE_INFINITY);
  return identity;
}

function refuseWhenClosing(notifier: Notifier): void {
  if (notifier.closing.aborted) throw unavailable();
}

function unavailable(): HTTPException {
  return refusal(503, "Service Unavailable", { "Retry-After": retryAfter });
}

function refusal(
  status: 401 | 403 | 426 | 500 | 503,
  text: string,
  headers: Record<string, string> = {},
): HTTPException {
  return new HTTPException(status, { res: new Response(text, { status, headers }) });
}

function isOriginAllowed(c: Context, notifier: Notifier, { origins }: NotificationsOptions): Soon<boolean> {
  const origin = c.req.header("origin");
  if (typeof origins === "function") return asked(origins, origin ?? "", c, notifier);
  if (origin === undefined) return true;
  return origins === undefined ? isOwn(origin, c.req.header("host")) : origins.includes(origin);
}

/** Whether a page comes from the host that was asked; anything that is not written as browsers do comes from none. */
function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !/^https?:/i.test(origin) || !URL.canParse(origin)) return false;
  const url = new URL(origin);
  // The host alone decides: behind a proxy that ends TLS the request's own scheme is not the page's.
  return url.origin === origin.toLowerCase() && url.host === host.toLowerCase();
}

async function asked(
  isAllowed: (origin: string, c: Context) => boolean | Promise<boolean>,
  origin: string,
  c: Context,
  notifier: Notifier,
): Promise<boolean> {
  try {
    return (await isAllowed(origin, c)) === true;
  } catch (error) {
    notifier.report(error, { stage: "origins", owner: c.req.path });
    return false;
  }
}
