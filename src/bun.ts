/**
 * A Hono app and its notifier on Bun: a server that closes together with its notifier, and the upgrade to a WebSocket.
 *
 * @module
 */

export {
  type BunWebSocket,
  type BunWebSocketData,
  serve,
  terminationSignal,
  upgradeWebSocket,
} from "./hosts/bun.ts";
export type { App, ServedNotifier, ServeOptions, Server, UpgradeOptions } from "./hosts/host.ts";
