/**
 * A notifier in a Durable Object of Cloudflare, and the handler that sends requests to it.
 *
 * @module
 */

export {
  NotifierObject,
  type Published,
  type Sent,
  type StoredRunState,
} from "./hosts/cloudflare/notifier-object.ts";
export type { NotifierObjectOptions, ObjectLogBounds, PeerFunctions } from "./hosts/cloudflare/options.ts";
export { type RouteOptions, route } from "./hosts/cloudflare/route.ts";
