import type { EventSchemas } from "../../model/events.ts";
import type { NotifierOptions } from "../core/settings.ts";
import { LiveNotifier } from "./live-notifier.ts";
import type { Notifier } from "./notifier.ts";

export type { Receipt } from "../../model/receipt.ts";
/**
 * Makes a notifier. Nothing happens until it is first used: no timer, no random value, no listener.
 *
 * Throws a RangeError for a number that cannot be a bound, or not together with the others, and a TypeError for `events`
 * that are no schemas, or for an `rpc` method of tocsin's own.
 *
 * @example
 * ```ts
 * import { createNotifier } from "tocsin";
 *
 * const notifier = createNotifier();
 * await notifier.publish("news", { text: "It begins" });
 * await notifier.close();
 * ```
 */
export function createNotifier<Schemas extends EventSchemas = EventSchemas>(
  options: NotifierOptions<Schemas> = {},
): Notifier<Schemas> {
  // The schemas have checked what the narrower types promise.
  return new LiveNotifier(options) as unknown as Notifier<Schemas>;
}
