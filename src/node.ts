/**
 * A Hono app and its notifier on Node: a server that closes together with its notifier, and the upgrade to a WebSocket.
 *
 * @module
 */

export type { App, ServedNotifier, ServeOptions, Server, UpgradeOptions } from "./hosts/host.ts";
export { serve, terminationSignal, upgradeWebSocket } from "./hosts/node.ts";
