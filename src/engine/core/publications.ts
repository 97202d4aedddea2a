import { GapError } from "../../model/errors.ts";
import type { Entry, Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";

/** The error for somebody who asked for what follows a position, and cannot be given it without a hole. */
export function gapAfter(channel: string, after: Position, { first, epoch }: Slice): GapError {
  return new GapError(channel, after, { offset: first - 1, epoch });
}

/** Reads an entry back for users of this process. */
export function publicationOf(
  channel: string,
  epoch: string,
  { offset, data, time, tags }: Entry,
): Publication {
  return { channel, offset, epoch, data: JSON.parse(data) as unknown, time, tags };
}
