import { Hono } from "hono";
import { defineWebSocketHelper, type WSContext } from "hono/ws";
import { createNotifier, memoryLog } from "tocsin";
import { notifications } from "tocsin/hono";
import { peerOptions } from "../peer/app.ts";
import { controlApp } from "../peer/control.ts";
import { journal } from "../peer/journal.ts";
import { placeOf, profiles } from "../peer/profiles.ts";

interface ServerSocket extends WebSocket {
  accept(): void;
}
declare const WebSocketPair: new () => { 0: WebSocket; 1: ServerSocket };

/** Upgrades in workerd, without hibernation. */
const upgradeWebSocket = defineWebSocketHelper((c, events) => {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  const ws = {
    send: (data: string) => server.readyState === 1 && server.send(data),
    close: (code: number, reason: string) => server.close(code, reason),
    // There is no way to cut a socket.
    terminate: () => server.close(1001, ""),
  } as unknown as WSContext;
  events.onOpen?.(new Event("open"), ws);
  server.addEventListener("message", (event) => events.onMessage?.(event, ws));
  server.addEventListener("close", (event) => {
    events.onClose?.(event, ws);
    server.close(event.code === 1005 || event.code === 1006 ? 1000 : event.code, event.reason);
  });
  const offers = c.req.header("sec-websocket-protocol")?.split(",") ?? [];
  const headers = offers.some((offer) => offer.trim() === "centrifuge-json")
    ? { "Sec-WebSocket-Protocol": "centrifuge-json" }
    : {};
  return new Response(null, { status: 101, webSocket: client, headers } as ResponseInit);
});

/** Stands in for the object of tocsin: its notifier keeps everything in memory. */
export class StandIn {
  #app: Hono | undefined;

  fetch(request: Request): Response | Promise<Response> {
    this.#app ??= createApp(new URL(request.url).pathname);
    return this.#app.fetch(request);
  }
}

function createApp(path: string): Hono {
  const place = placeOf(path);
  if (place === undefined) return new Hono();
  const written = journal();
  const { authenticate, authorize, origins, ...options } = peerOptions(
    place.profile,
    written,
    () => notifier,
  );
  const notifier = createNotifier({ ...options, log: memoryLog(profiles[place.profile].keep) });
  const app = new Hono();
  app.get(
    "/:profile/:name/",
    upgradeWebSocket(notifications(notifier, { authenticate, authorize, origins })),
  );
  app.route(
    "/",
    controlApp(() => notifier, written),
  );
  return app;
}
