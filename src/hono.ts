/**
 * Notifications for a Hono app: `notifications` creates the argument of any Hono `upgradeWebSocket`.
 *
 * @module
 */

export {
  type CachedAuthorize,
  type CachedOptions,
  cached,
  type ForgettingNotifier,
} from "./access/cached.ts";
export { metrics } from "./hosts/metrics.ts";
export { type NotificationsOptions, notifications } from "./hosts/notifications.ts";
export type { Origins } from "./hosts/origins.ts";
export type { Identity } from "./model/peer.ts";
