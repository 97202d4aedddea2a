/**
 * A Hono app and its notifier on Deno: a server that closes together with its notifier, and the upgrade to a WebSocket.
 *
 * @module
 */

export { type DenoWebSocket, serve, terminationSignal, upgradeWebSocket } from "./hosts/deno.ts";
export type { App, ServedNotifier, ServeOptions, Server, UpgradeOptions } from "./hosts/host.ts";
