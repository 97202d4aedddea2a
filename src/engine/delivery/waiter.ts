import type { Settle } from "../../base/scope.ts";
import { type ClosedError, closed, ExpiredError } from "../../model/errors.ts";
import type { Position } from "../../model/log.ts";
import type { Delivery, Level, UndeliveredReason } from "../../model/receipt.ts";
import { has } from "./delivery-state.ts";
import type { DeliveryState } from "./subscription.ts";

/** What somebody waits for: a level, and the subscriber that has to reach it. Default: any that would discharge it. */
export interface Wanted {
  readonly level: Level | undefined;
  readonly by: string | undefined;
}

/** What other nodes are asked to tell, and until when, on the clock's `now`. */
export interface Question extends Wanted {
  readonly expires: number;
}

/** Somebody who waits for a publication to be delivered: a caller of this process, or another node. */
export interface Waiter extends Wanted {
  /** When the wait is over, on the clock's `now`. */
  readonly expires: number;
  /** The node that is told. Undefined for a caller of this process. */
  readonly node: string | undefined;
  /** Whether all nodes know that it waits. */
  readonly isKnownToAll: boolean;
  readonly settle: Settle<Delivery>;
}

/** Returns the delivery for a caller that waits, if the state of the subscriber is sufficient; otherwise undefined. */
export function deliveryBy(
  state: DeliveryState,
  offset: number,
  { level, by }: Wanted,
  time: number,
): Delivery | undefined {
  const isFor = by === undefined || by === state.by;
  if (!isFor || !has(state, offset, level ?? "discharged")) return undefined;
  const isAcknowledged = has(state, offset, "acknowledged");
  return {
    level: level ?? (isAcknowledged ? "acknowledged" : "read"),
    by: state.by,
    time: isAcknowledged ? state.time : time,
  };
}

export function refusal(
  channel: string,
  position: Position,
  reason: UndeliveredReason,
  level: Level,
): ClosedError | ExpiredError {
  if (reason === "expired" || reason === "trimmed")
    return new ExpiredError(channel, position, { reason, level });
  return closed(`wait for ${position.offset} of ${JSON.stringify(channel)} any longer`);
}
