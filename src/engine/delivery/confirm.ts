import type { Position } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import type { PendingDelivery } from "./channel-ledger.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Ledger } from "./ledger.ts";

/** What appending a confirmed publication needs. */
export interface ConfirmContext extends Pick<Context, "append" | "records"> {
  readonly ledger: Ledger;
}

/** Appends a confirmed publication as soon as there is capacity for its confirmation to wait. */
export async function appendConfirmed(
  context: ConfirmContext,
  confirmation: Confirmation,
  options: Parameters<Context["append"]>[2],
): Promise<PendingDelivery> {
  const { channel, content } = confirmation;
  let isAdmitted = false;
  let isRefused = false;
  let entry: PendingDelivery | undefined;
  const admitted = (): void => {
    isAdmitted = true;
  };
  const refused = (error: unknown): never => {
    isRefused = true;
    throw error;
  };
  context.ledger.givenUp.begin(confirmation);
  try {
    await context.append(
      channel,
      content.data,
      { ...options, hold: content.record },
      {
        isExempt: content.isEnding,
        isUrgent: content.isEnding,
        admit() {
          const waiting = context.ledger.admit(confirmation);
          if (waiting === undefined) admitted();
          return waiting?.then(admitted, refused);
        },
        appended(position: Position) {
          confirmation.logged?.(position);
          entry = context.ledger.confirm(confirmation, position);
        },
      },
    );
  } catch (error) {
    if (isAdmitted && entry === undefined) context.ledger.release(channel, content);
    if (isRefused) context.ledger.givenUp.over(confirmation);
    else context.ledger.givenUp.failed(confirmation, error);
    // The append may have been made although its publisher has stopped waiting.
    if (isAdmitted) context.records.release(content.record);
    throw error;
  }
  return entry as PendingDelivery;
}
