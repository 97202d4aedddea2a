import type { EventSchemas } from "../../model/events.ts";
import type { NotifierOptions } from "../core/settings.ts";
import { LiveNotifier } from "./live-notifier.ts";
import type { Notifier } from "./notifier.ts";

export type { Receipt } from "../../model/receipt.ts";
/**
 * Creates a notifier. It does nothing until it is first used: it sets no timer, draws no random value, and adds no
 * listener.
 *
 * Throws a RangeError for an invalid number or for one that contradicts another. Throws a TypeError for `events` that
 * are not schemas, or for an `rpc` method with a built-in name.
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
  // The schemas check at run time what the narrower types promise.
  return new LiveNotifier(options) as unknown as Notifier<Schemas>;
}
