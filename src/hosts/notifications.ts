import type { Context } from "hono";
import type { WSEvents } from "hono/ws";
import type { Notifier } from "../engine/notifier/notifier.ts";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { PeerHandlers } from "./handlers.ts";
import { unknownEncoding, wantsWebSocket } from "./handshake.ts";

/** How connections are accepted. */
export interface NotificationsOptions extends AdmissionOptions {}

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
  const admission = new Admission(notifier, options, "notifications");
  return async (c) => {
    if (!wantsWebSocket(c.req.header("upgrade"))) throw admission.refuse(c, 426, noWebSocket);
    const encoding = unknownEncoding(c, notifier);
    if (encoding !== undefined) throw admission.refuse(c, 400, encoding);
    const { peer, release } = await admission.admit(c);
    return new PeerHandlers(notifier, peer, release);
  };
}

const noWebSocket =
  "no WebSocket was asked for; connect to ws: or wss:, and have every proxy pass on Upgrade and Connection";
