import type { Asked, Delivery } from "../../model/receipt.ts";
import type { PendingDelivery } from "./channel-ledger.ts";
import type { DeliveryState } from "./subscription.ts";
import { deliveryBy, refusal, type Wanted } from "./waiter.ts";

/** The time, and what is over by now. */
interface Now {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** Whether the time to wait for the publication is over. */
  readonly isDue: boolean;
  /** Whether the notifier has closed. */
  readonly isOver: boolean;
}

/**
 * Returns the delivery if it is known without waiting. Throws if there is nothing to wait for. `states` are those of the
 * subscribers that may have been sent the publication.
 */
export function knownDelivery(
  { channel, position }: Asked,
  entry: PendingDelivery | undefined,
  wanted: Wanted,
  states: Iterable<DeliveryState>,
  { time, isDue, isOver }: Now,
): Delivery | undefined {
  const isDefault = wanted.level === undefined && wanted.by === undefined;
  const outcome = entry?.outcome;
  if (isDefault && outcome !== undefined && "delivery" in outcome) return outcome.delivery;
  for (const state of states) {
    const delivery = deliveryBy(state, position.offset, wanted, time);
    if (delivery !== undefined) return delivery;
  }
  if (outcome !== undefined && "reason" in outcome)
    throw refusal(channel, position, outcome.reason, outcome.level);
  if (isOver) throw refusal(channel, position, "closed", "logged");
  if (isDue) throw refusal(channel, position, "expired", "logged");
  return undefined;
}
