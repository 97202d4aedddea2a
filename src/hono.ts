/**
 * Notifications for a Hono app: the argument of any Hono `upgradeWebSocket`.
 *
 * @module
 */

export { type CachedAuthorize, type CachedOptions, cached } from "./cached.ts";
export { metrics } from "./metrics.ts";
export { type NotificationsOptions, notifications } from "./notifications.ts";
export type { Origins } from "./origins.ts";
export type { Identity } from "./peer.ts";
