import { byteLength, tagBytes } from "../../base/bytes.ts";
import { LogError } from "../../model/errors.ts";
import type { Position } from "../../model/log.ts";
import { tryAgain } from "../log/try-again.ts";
import { patience } from "../nodes/nodes.ts";
import type { ConfirmContext } from "./confirm.ts";
import type { LedgerContext } from "./ledger.ts";

/** What restoring a confirmed publication needs. */
export interface RestoreContext extends LedgerContext, ConfirmContext {
  /** Whether `onUndelivered` is set, so that publications that are given up must be reported in time. */
  readonly reportsUndelivered: boolean;
}

/** A confirmed publication that waited for its delivery when its process ended. */
export interface LeftWaiting {
  readonly channel: string;
  readonly position: Position;
  /** What the log holds for it. */
  readonly record: string;
  /** When it is given up, in milliseconds since the Unix epoch. */
  readonly expires: number;
  readonly isEnding: boolean;
  /** Whether it is left to others again. */
  isOver(): boolean;
}

/** Lets a confirmed publication of an earlier process wait on, for what is left of its time. */
export async function restoreConfirmed(context: RestoreContext, left: LeftWaiting): Promise<void> {
  await tryAgain(context, `read what was left of ${left.channel}`, () => restoreOnce(context, left));
}

async function restoreOnce(context: RestoreContext, left: LeftWaiting): Promise<void> {
  const { channel, position, record, expires, isEnding } = left;
  const { clock, ledger, log, nodes, records, reportsUndelivered } = context;
  const after = { ...position, offset: position.offset - 1 };
  const { epoch, entries, gapless } = await log.read(channel, { after, limit: 1 });
  if (left.isOver()) return;
  // It was settled here before it was inherited.
  if (ledger.isDone(record)) return records.release(record);
  const [entry] = entries;
  if (!gapless || entry === undefined) {
    const what = `${position.offset} of ${JSON.stringify(channel)}`;
    const message = `Cannot deliver the confirmed publication ${what}: the log no longer keeps it`;
    context.report(new LogError(message), "undelivered", `channel ${channel}`);
    ledger.done(record);
    return;
  }
  const { data, tags, time, offset } = entry;
  const bytes = byteLength(data) + tagBytes(tags);
  const isAwaited = !isEnding || reportsUndelivered;
  const content = { data, tags, bytes, isAwaited, isEnding, record };
  // Other nodes may have told its delivery to the one that is gone.
  const ttl = Math.max(expires - clock.time(), nodes.id === undefined ? 0 : patience);
  ledger.restore({ channel, content, time, ttl, signal: undefined }, { offset, epoch });
}
