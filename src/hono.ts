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
export type { AdmissionOptions } from "./hosts/admission.ts";
export { metrics } from "./hosts/metrics.ts";
export { type NotificationsOptions, notifications } from "./hosts/notifications.ts";
export type { Origins } from "./hosts/origins.ts";
export { emulation } from "./hosts/streams/emulation.ts";
export { events } from "./hosts/streams/events.ts";
export { type TransportsOptions, transports } from "./hosts/streams/transports.ts";
export { httpStream, sse } from "./hosts/streams/two-way.ts";
export type { Identity } from "./model/peer.ts";
