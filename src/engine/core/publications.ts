import { GapError } from "../../model/errors.ts";
import type { Entry, Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";

/** Returns the error for a reader that cannot be given what follows a position without a gap. */
export function gapAfter(channel: string, after: Position, { first, epoch }: Slice): GapError {
  return new GapError(channel, after, { offset: first - 1, epoch });
}

/** Returns a log entry as a publication for users of this process. */
export function publicationOf(
  channel: string,
  epoch: string,
  { offset, data, time, tags }: Entry,
): Publication {
  return { channel, offset, epoch, data: JSON.parse(data) as unknown, time, tags };
}

/** Whether a position means the same in what was read of its channel: its epoch is there, or is continued. */
export function isOfEpoch({ epoch, offset }: Position, slice: Slice): boolean {
  if (epoch === "" || epoch === slice.epoch) return true;
  return slice.lineage?.some((older) => older.epoch === epoch && offset <= older.offset) === true;
}
