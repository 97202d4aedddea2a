import type { Position } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import type { AppendSteps } from "../log/append-queue.ts";
import { tryAgain } from "../log/try-again.ts";
import type { Nodes } from "../nodes/nodes.ts";
import type { PendingDelivery } from "./channel-ledger.ts";
import type { Confirmation } from "./confirmation.ts";
import type { Ledger } from "./ledger.ts";

/** What appending a confirmed publication needs. */
export interface ConfirmContext
  extends Pick<Context, "append" | "clock" | "log" | "records" | "report" | "scope"> {
  readonly ledger: Ledger;
  readonly nodes: Nodes;
}

/**
 * Appends a confirmed publication as soon as there is capacity for its confirmation to wait. `current` is called before
 * each attempt of a node of several.
 */
export async function appendConfirmed(
  context: ConfirmContext,
  confirmation: Confirmation,
  options: Parameters<Context["append"]>[2],
  current?: AppendSteps["current"],
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
  /** The ids under which this node has tried. */
  const origins = new Set<string>();
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
        current() {
          const { id: origin } = context.nodes;
          if (origin === undefined) return {};
          origins.add(origin);
          return { ...current?.(), origin };
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
  const confirmed = entry as unknown as PendingDelivery;
  // Then another node, or this one under an earlier id, may have made the append.
  if (origins.size > 1 || (origins.size === 1 && options.key !== undefined))
    checkOrigin(context, confirmation, confirmed);
  return confirmed;
}

/**
 * Lets go of a publication that another node is responsible for: the one whose id the log holds with it. If that is
 * gone, or cannot be read, this node stays responsible, so that it may be reported twice rather than never.
 */
function checkOrigin(
  context: ConfirmContext,
  { channel, content }: Confirmation,
  entry: PendingDelivery,
): void {
  const { epoch, offset } = entry.position;
  const owner = `read the origin of ${offset} of ${channel}`;
  const read = async (): Promise<void> => {
    const after = { epoch, offset: offset - 1 };
    const { entries, gapless } = await context.log.read(channel, { after, limit: 1 });
    const [found] = entries;
    if (!gapless || found === undefined) return;
    // Without an origin it was published without `confirm`, as the first use of the key.
    if (found.origin !== context.nodes.id) context.ledger.disownOne(entry, content);
  };
  const failed = (error: unknown): void => context.report(error, "log", owner);
  context.scope.own("task", owner, tryAgain(context, owner, read).catch(failed));
}
