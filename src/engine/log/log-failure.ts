import { ClosedError, LogError } from "../../model/errors.ts";
import type { ReadOptions, Slice } from "../../model/log.ts";

/**
 * Returns the error for a failure that no retry can fix: the log reports it as lasting, the log is closed, or its code
 * is at fault. Returns undefined for all other errors. `doing` begins the error message: the operation that failed. A
 * TypeError with a cause comes from `fetch`: it is a network error, and passes.
 */
export function lastingError(error: unknown, doing: string): LogError | undefined {
  if (error instanceof LogError) return error.lasting ? error : undefined;
  const isCode = (error instanceof TypeError && error.cause === undefined) || error instanceof ReferenceError;
  if (!isCode && !(error instanceof ClosedError)) return undefined;
  const why = isCode ? "the code of its log is at fault" : "its log is closed";
  return new LogError(`Cannot ${doing}: ${why}`, { lasting: true, cause: error });
}

/** Whether an error means that the log is closed. */
export function isOfClosedLog(error: unknown): boolean {
  return error instanceof LogError && error.lasting && error.cause instanceof ClosedError;
}

/**
 * Throws a LogError for a slice that no log may return: its entries have a gap, begin at the wrong offset, or are the
 * last ones and do not end at the top.
 *
 * A store that reads in parts while it is written to can return such a slice. Passed on, it would be a gap that nobody
 * detects.
 */
export function checkSlice(channel: string, { after, limit = 1, last }: ReadOptions, slice: Slice): void {
  const { entries, first, top, gapless } = slice;
  if (!gapless) return;
  const before = after === undefined ? first - 1 : after.offset;
  let next = (last === undefined ? before : Math.max(before, top - entries.length)) + 1;
  for (const { offset } of entries) {
    if (offset !== next) throw torn(channel, `it returned offset ${offset} instead of ${next}`);
    next++;
  }
  if (last !== undefined && next > top + 1)
    throw torn(channel, `it returned offset ${next - 1}, but its top is ${top}`);
  if (entries.length === 0 && before < top && (last ?? limit) > 0)
    throw torn(channel, `it returned no entries after offset ${before}, but its top is ${top}`);
}

function torn(channel: string, what: string): LogError {
  return new LogError(`Cannot read ${JSON.stringify(channel)}: its log is at fault, ${what}`);
}
