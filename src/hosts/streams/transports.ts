import { Hono } from "hono";
import type { UpgradeWebSocket } from "hono/ws";
import type { Notifier } from "../../engine/notifier/notifier.ts";
import type { AdmissionOptions } from "../admission.ts";
import { notifications } from "../notifications.ts";
import { emulation } from "./emulation.ts";
import { events } from "./events.ts";
import { httpStream, sse } from "./two-way.ts";

/** How clients connect, by WebSocket or without. */
export interface TransportsOptions extends AdmissionOptions {
  /** The `upgradeWebSocket` of the runtime's entry. Default: no WebSockets, for platforms that only stream. */
  // biome-ignore lint/suspicious/noExplicitAny: each runtime has its own socket
  upgradeWebSocket?: UpgradeWebSocket<any, any> | undefined;
}

/**
 * Returns a Hono app with every way to a notifier: the WebSocket at `/`, and where none passes `http_stream` or `sse`,
 * with `emulation` for what their clients send; and `events` for `EventSource`, `curl` and `fetch`. Mount it with
 * `app.route`.
 *
 * All take the same options as {@linkcode notifications}, and what is true of a session over a WebSocket is true over
 * the others. Throws a TypeError for options that cannot work.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createNotifier } from "tocsin";
 * import { transports } from "tocsin/hono";
 * import { upgradeWebSocket } from "tocsin/node";
 *
 * const notifier = createNotifier();
 * const app = new Hono();
 * app.route("/notifications", transports(notifier, { upgradeWebSocket }));
 * ```
 */
export function transports(
  notifier: Notifier,
  { upgradeWebSocket, ...options }: TransportsOptions = {},
): Hono {
  const app = new Hono();
  if (upgradeWebSocket !== undefined) app.get("/", upgradeWebSocket(notifications(notifier, options)));
  app.all("/http_stream", httpStream(notifier, options));
  app.all("/sse", sse(notifier, options));
  app.all("/emulation", emulation(notifier, options));
  app.all("/events", events(notifier, options));
  return app;
}
