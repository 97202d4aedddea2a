import { entryCost } from "../../model/log.ts";
import { bornAt, type ChannelRow, isEmpty, isOver, youth } from "./channel-row.ts";
import type { EntryMark, EntryStore } from "./entry-store.ts";

type Marked = Pick<EntryStore, "marks">;
/** Whether an entry must be trimmed. Of each two entries, the older one must be if the newer one must. */
type Judge = (mark: EntryMark, offset: number) => boolean;

/** Returns the channel without the entries that its retention says are over. */
export function trimmed(row: ChannelRow, now: number, entries: Marked): ChannelRow {
  if (isEmpty(row)) return row;
  const { top, total, since, retention } = row;
  const { size, bytes, ttl, slack } = retention;
  // Most channels are asked for far more often than something of them is over.
  if (now - bornAt(row, since) < ttl && !isOver(row)) return row;
  let end: EntryMark & { offset: number };
  const beyond = ({ start }: EntryMark, offset: number): boolean => {
    if (total - start + (top + 1 - offset) * entryCost <= slack) return false;
    end ??= within(row, entries);
    return end.start - start + (end.offset - offset) * entryCost > slack;
  };
  return dropped(row, entries, (mark, offset) => {
    if (now - bornAt(row, mark.arrived) >= ttl) return true;
    if (top + 1 - offset <= size && total - mark.start <= bytes) return false;
    return slack === 0 || now - mark.arrived >= youth || beyond(mark, offset);
  });
}

/** Returns the first entry that is not over `size` and `bytes`. */
function within(row: ChannelRow, entries: Marked): EntryMark & { offset: number } {
  const { top, total, retention } = row;
  const { size, bytes } = retention;
  const isOver: Judge = ({ start }, offset) => top + 1 - offset > size || total - start > bytes;
  return search(row, entries, isOver);
}

/** Returns the channel without its oldest entries, as far as they must be dropped. */
export function dropped(row: ChannelRow, entries: Marked, mustGo: Judge): ChannelRow {
  const { offset, start, arrived } = search(row, entries, mustGo);
  return offset === row.first ? row : { ...row, first: offset, base: start, since: arrived };
}

/**
 * Returns the first entry that need not go, or the end. Mostly few must: the steps begin small, and double. Each step
 * is a look into the table.
 */
function search(row: ChannelRow, entries: Marked, mustGo: Judge): EntryMark & { offset: number } {
  const { id, top, first, base, since } = row;
  let found = { offset: top + 1, start: row.total, arrived: row.used };
  let low = first;
  const markOf = entries.marks(id);
  const isGone = (offset: number): boolean => {
    const mark = offset === first ? { start: base, arrived: since } : markOf(offset);
    // An entry that is missing cannot be read, so it must not be promised.
    if (mark === undefined || mustGo(mark, offset)) {
      low = offset + 1;
      return true;
    }
    found = { offset, ...mark };
    return false;
  };
  for (let step = 1; low <= top && isGone(Math.min(low + step - 1, top)); ) step *= 2;
  while (low < found.offset) isGone(low + Math.floor((found.offset - low) / 2));
  return found;
}
