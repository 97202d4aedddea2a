import { ClosedError, LogError } from "../../model/errors.ts";
import type { ReadOptions, Slice } from "../../model/log.ts";

/**
 * The error for what no retry helps against: the log says so, it is closed, or its code is at fault. `doing` is what it was
 * asked for. Undefined for everything else. A TypeError with a cause is one of `fetch`: the network's, which passes.
 */
export function lastingError(error: unknown, doing: string): LogError | undefined {
  if (error instanceof LogError) return error.lasting ? error : undefined;
  const isCode = (error instanceof TypeError && error.cause === undefined) || error instanceof ReferenceError;
  if (!isCode && !(error instanceof ClosedError)) return undefined;
  const why = isCode ? "the code of its log is at fault" : "its log is closed";
  return new LogError(`Cannot ${doing}: ${why}`, { lasting: true, cause: error });
}

/** Whether an error says that the log is closed. */
export function isOfClosedLog(error: unknown): boolean {
  return error instanceof LogError && error.lasting && error.cause instanceof ClosedError;
}

/**
 * Throws a LogError for what no log may answer: entries that do not follow each other, or do not begin where they have to.
 *
 * A store that is read in parts while it is written to answers such things. Handed on they would be a hole that nobody sees.
 */
export function checkSlice(channel: string, { after, limit = 1 }: ReadOptions, slice: Slice): void {
  const { entries, first, top, gapless } = slice;
  if (!gapless) return;
  const before = after === undefined ? first - 1 : after.offset;
  let next = before + 1;
  for (const { offset } of entries) {
    if (offset !== next) throw torn(channel, `it gave ${offset} where ${next} has to stand`);
    next++;
  }
  if (entries.length === 0 && before < top && limit > 0)
    throw torn(channel, `it gave nothing after ${before}, and ends at ${top}`);
}

function torn(channel: string, what: string): LogError {
  return new LogError(`Cannot read ${JSON.stringify(channel)}: its log is at fault, ${what}`);
}
