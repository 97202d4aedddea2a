import { entryCost } from "../../model/log.ts";
import type { SqliteChannel } from "./channel.ts";
import { type ChannelRow, costOf, dueAfter, isEmpty } from "./channel-row.ts";
import type { ChannelTable } from "./channel-table.ts";
import type { Channels } from "./channels.ts";
import type { EntryStore } from "./entry-store.ts";
import type { Gathering } from "./gathering.ts";
import type { HeldTable } from "./held-table.ts";
import type { Head } from "./ownership.ts";
import type { RepeatTables } from "./repeats-table.ts";
import { trimmed } from "./trim.ts";

/** The tables of the log, and what of them is in memory. */
export interface Tables {
  readonly channels: Channels;
  readonly table: ChannelTable;
  readonly entries: EntryStore;
  readonly repeats: RepeatTables;
  readonly held: HeldTable;
}

/** Entries that are over are removed from the table once there are so many of a channel, and so many in a commit. */
const removed = { least: 64, most: 4_096 };
const kinds = ["writers", "keys"] as const;

/**
 * One transaction. What it changes in memory is changed only after it has succeeded, so that memory and the database
 * agree however it ends.
 */
export class Commit {
  readonly #tables: Tables;
  readonly now: number;
  /** What the entries of all channels count now, or more than that. */
  cost: number;
  /** Whether `cost` is exact. */
  isCounted: boolean;
  /** Whether channels were forgotten, so that unknown ones need another epoch. */
  isForgetful = false;
  /** What holds for all channels after the commit, if it changes. */
  head: Head | undefined;
  /** How many entries may still be removed. */
  #mayRemove = removed.most;
  /** The channels in memory as they are after the commit. Undefined: the channel was forgotten. */
  readonly #after = new Map<
    SqliteChannel,
    { row: ChannelRow | undefined; written: ChannelRow | undefined }
  >();

  constructor(tables: Tables, now: number, { cost, isCounted }: Pick<Commit, "cost" | "isCounted">) {
    this.#tables = tables;
    this.now = now;
    this.cost = cost;
    this.isCounted = isCounted;
  }

  /** Counts what the entries of all channels count, after everything else was written. */
  count(): void {
    if (this.isCounted) return;
    this.cost = this.#tables.entries.cost(entryCost);
    this.isCounted = true;
  }

  /** Writes what was gathered. */
  write(gathering: Gathering): void {
    const { held } = this.#tables;
    for (const channel of gathering.channels) this.#writeChannel(channel);
    for (const { record, held: place } of gathering.held) {
      if (place === undefined) held.remove(record);
      else held.add(record, place.channel, place.position);
    }
  }

  #writeChannel(channel: SqliteChannel): void {
    const { name, draft, written } = channel;
    if (draft === undefined) return;
    const { table, entries, repeats } = this.#tables;
    let { row } = draft;
    if (draft.begins && written !== undefined) {
      entries.remove(written.id, written.floor, written.top);
      repeats.clear(written.id);
    }
    // The id must be known first.
    if (row.id === 0)
      row = table.add(name, { ...row, due: dueAfter(row, this.now, 0), oldest: oldestOf(row) });
    const { open, isFound } = entries.add(row, draft.entries);
    row = { ...row, open };
    for (const kind of kinds) {
      for (const [text, repeat] of draft.repeats[kind]) repeats.put(kind, row.id, text, repeat);
    }
    const after = this.prune(trimmed(row, this.now, entries), removed.least, draft.entries.length);
    const due = Math.min(after.due, dueAfter(after, this.now, 0));
    const next = { ...after, due, oldest: after.oldest ?? oldestOf(after) };
    if (written !== undefined && isFound && isFoundIn(next, written)) this.#leave(channel, next, written);
    else {
      this.#put(name, next, written ?? row);
      this.cost += costOf(next) - (written === undefined ? 0 : costOf(written));
    }
  }

  /** Leaves the row of a channel as it is, because what was added to the channel is found without it. */
  #leave(channel: SqliteChannel, row: ChannelRow, before: ChannelRow): void {
    const { first, base, since } = before;
    const written = { ...row, first, base, since };
    this.#after.set(channel, { row, written });
    this.cost += costOf(written) - costOf(before);
  }

  /** Writes a channel of which the database has `before`. */
  replace(name: string, row: ChannelRow, before: ChannelRow): void {
    this.cost += costOf(row) - costOf(before);
    this.#put(name, row, before);
  }

  #put(name: string, row: ChannelRow, before: ChannelRow): void {
    this.#tables.table.update(row, before);
    this.#keep(name, row);
  }

  /** Forgets a channel without entries. */
  forget(name: string, { id, floor, top }: ChannelRow): void {
    const { table, entries, repeats } = this.#tables;
    entries.remove(id, floor, top);
    repeats.clear(id);
    table.remove(id);
    this.isForgetful = true;
    this.#keep(name, undefined);
  }

  #keep(name: string, row: ChannelRow | undefined): void {
    const channel = this.#tables.channels.known(name);
    if (channel !== undefined) this.#after.set(channel, { row, written: row });
  }

  /**
   * Removes entries that are not kept any more from the table, if there are at least so many. To remove many at once
   * takes too long, so the rest waits for other commits. But twice as many as were appended may always go.
   */
  prune(row: ChannelRow, least: number, appended = 0): ChannelRow {
    const { id, floor, first, open } = row;
    if (first - floor < least) return row;
    const next = Math.min(first, floor + Math.max(this.#mayRemove, 2 * appended, 0));
    this.#tables.entries.remove(id, floor, next - 1);
    this.#mayRemove -= next - floor;
    const isOpen = open !== undefined && open.first + open.count > next;
    return { ...row, floor: next, open: isOpen ? open : undefined };
  }

  /** Changes what is in memory, after the transaction has succeeded. */
  done(): void {
    for (const [channel, { row, written }] of this.#after) channel.set(row, written);
  }
}

/** Returns when the oldest entry of a channel was appended, if there is one. */
export function oldestOf(row: ChannelRow): number | null {
  return isEmpty(row) ? null : row.since;
}

/**
 * Whether the row of a channel says the same but for what was added, and for what has been trimmed since: that is found
 * out again.
 */
function isFoundIn({ traits, floor, due, oldest }: ChannelRow, written: ChannelRow): boolean {
  const isSame = traits === written.traits && floor === written.floor;
  return isSame && due === written.due && oldest === written.oldest && !isEmpty(written);
}
