import type { Content, Entry } from "./book.ts";
import type { Hub } from "./hub.ts";
import type { Position } from "./log.ts";

/** A confirmed publication on its way into the log. */
export interface Confirmation {
  readonly channel: string;
  readonly content: Content;
  readonly time: number;
  /** Milliseconds after which it is given up. */
  readonly ttl: number;
  readonly signal: AbortSignal | undefined;
  /** Hears at once that it is in the log. */
  readonly logged?: ((position: Position) => void) | undefined;
}

/** Appends a confirmed publication as soon as there is room to wait for it. */
export async function appendConfirmed(
  hub: Hub,
  confirmation: Confirmation,
  options: Parameters<Hub["append"]>[2],
): Promise<Entry> {
  const { channel, content } = confirmation;
  let isAdmitted = false;
  let isRefused = false;
  let entry: Entry | undefined;
  const admitted = (): void => {
    isAdmitted = true;
  };
  const refused = (error: unknown): never => {
    isRefused = true;
    throw error;
  };
  hub.ledger.givenUp.begin(confirmation);
  try {
    await hub.append(channel, content.data, options, {
      isExempt: content.isEnding,
      isUrgent: content.isEnding,
      admit() {
        const waiting = hub.ledger.admit(confirmation);
        if (waiting === undefined) admitted();
        return waiting?.then(admitted, refused);
      },
      appended(position: Position) {
        confirmation.logged?.(position);
        entry = hub.ledger.confirm(confirmation, position);
      },
    });
  } catch (error) {
    if (isAdmitted && entry === undefined) hub.ledger.release(channel, content);
    if (isRefused) hub.ledger.givenUp.over(confirmation);
    else hub.ledger.givenUp.failed(confirmation, error);
    throw error;
  }
  return entry as Entry;
}
