import { LogError } from "../../model/errors.ts";
import type { Position, ReadOptions, Slice } from "../../model/log.ts";
import { type ChannelRow, isEmpty } from "./channel-row.ts";
import type { EntryStore } from "./entry-store.ts";

/**
 * Reads from a channel.
 *
 * @throws {LogError} when the entries are not those that the channel should have
 */
export function readSlice(
  name: string,
  row: ChannelRow,
  { after, limit, last }: ReadOptions,
  entries: EntryStore,
): Slice {
  const { first, top, traits } = row;
  const gapless = after === undefined || follows(after, row);
  let from = after === undefined ? first : after.offset + 1;
  if (last !== undefined) from = Math.max(from, top + 1 - Math.floor(last));
  const to = limit === undefined ? top : Math.min(top, from - 1 + Math.floor(limit));
  const found = gapless && !isEmpty(row) && from <= to ? entries.read(row.id, from, to) : [];
  if (gapless && found.length !== Math.max(to + 1 - from, 0)) throw torn(name, from, to, found.length);
  const { epoch, state, sealed } = traits;
  const lineage = traits.lineage.length > 0 ? traits.lineage : undefined;
  return { epoch, top, first, entries: found, gapless, state, sealed: sealed || undefined, lineage };
}

/** Whether everything after a position is kept, so that reading on from it leaves no gap. */
function follows({ epoch, offset }: Position, { first, top, traits }: ChannelRow): boolean {
  if (!Number.isInteger(offset) || offset + 1 < first || offset > top) return false;
  if (epoch === "" || epoch === traits.epoch) return true;
  return traits.lineage.some((older) => older.epoch === epoch && offset <= older.offset);
}

/** A process that has lost the database, and does not know it yet, reads what another one removes. */
function torn(name: string, from: number, to: number, found: number): LogError {
  const what = `${found} entries from ${from} to ${to} are in the table`;
  return new LogError(`Cannot read ${JSON.stringify(name)}: ${what}. Another process may have changed it`);
}
