import { byteLength, tagBytes } from "../../base/bytes.ts";
import { isTime, shown } from "../../base/check.ts";
import { ExistsError, LogError, SealedError } from "../../model/errors.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import type { BoundsOf } from "../bounds.ts";
import { findRepeat, writerTtl } from "../repeats.ts";
import { stored } from "../text.ts";
import type { Draft, SqliteChannel } from "./channel.ts";
import { type ChannelRow, isEmpty, never } from "./channel-row.ts";
import { unused } from "./channels.ts";
import type { EntryStore, NewEntry } from "./entry-store.ts";
import type { Epochs } from "./epochs.ts";
import type { Head } from "./ownership.ts";
import type { Repeat, RepeatKind, RepeatTables } from "./repeats-table.ts";

/** The maximum length of a channel's state, in characters. */
const maxState = 4_096;
/** Bytes that an append takes in memory until it is committed, besides its text. */
const gatheredCost = 512;

/** A record that begins to be held, with its append, or that is released. */
export interface HeldChange {
  readonly record: string;
  readonly held?: { readonly channel: string; readonly position: Position };
}

/** An append of which the watchers are told after the commit. */
export interface Gathered {
  readonly channel: SqliteChannel;
  readonly entry: NewEntry;
  readonly epoch: string;
}

/** What appends are gathered with. */
export interface GatheringParts {
  readonly entries: EntryStore;
  readonly repeats: RepeatTables;
  readonly epochs: Epochs;
  readonly boundsOf: BoundsOf;
  /** Bytes that a row may have at most. */
  readonly maxRow: number;
}

/** What was appended and released since the last commit. */
export class Gathering {
  readonly #parts: GatheringParts;
  /** The channels that change. */
  readonly channels: Set<SqliteChannel> = new Set();
  /** All appends, in their order. */
  readonly appends: Gathered[] = [];
  readonly held: HeldChange[] = [];
  #bytes = 0;

  constructor(parts: GatheringParts) {
    this.#parts = parts;
  }

  get isEmpty(): boolean {
    return this.channels.size === 0 && this.held.length === 0;
  }

  /** About how many bytes it takes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gathers an append to a channel that was read just now. If it throws, nothing was gathered. */
  append(
    channel: SqliteChannel,
    data: string,
    options: AppendOptions,
    { head, now }: { head: Head; now: number },
  ): Position {
    const { time, tags, retention, once, key, place, state, hold } = options;
    const { name } = channel;
    // The table refuses it, and then fails for good.
    if (!isTime(time)) throw new RangeError(`Cannot use the time "${String(time)}": it is not a number`);
    const before = channel.draft?.row ?? (channel.row as ChannelRow);
    const bounds = this.#parts.boundsOf(name);
    const kept = retention && bounds.with(name, retention, before.retention);
    const offset = this.#find(channel, options, now);
    if (offset !== undefined) return { offset, epoch: before.traits.epoch };
    checkState(name, state);
    const { entries, maxRow } = this.#parts;
    checkRows(name, data, options, maxRow);
    if (!entries.canHold(data)) throw new LogError(broken(name), { lasting: true });
    if (place === "first") checkBegin(name, before);
    else if (before.traits.sealed) throw new SealedError(name);
    const draft = this.#draft(channel);
    if (place === "first" && before.top > 0) this.#begin(draft, channel, head);
    draft.row = changed(draft.row, options, kept);
    const entry = this.#add(draft, { data, time, tags }, now);
    const { epoch } = draft.row.traits;
    if (once !== undefined) rememberWriter(draft, once, entry.offset, now);
    if (key !== undefined) {
      const expires = Math.min(now + key.ttl, never);
      draft.repeats.keys.set(stored(key.text), { n: 0, offset: entry.offset, expires });
    }
    const position = { offset: entry.offset, epoch };
    if (hold !== undefined) this.held.push({ record: hold, held: { channel: name, position } });
    this.appends.push({ channel, entry, epoch });
    return position;
  }

  /** Gathers that a record is no longer held. */
  release(record: string): void {
    this.held.push({ record });
  }

  /** Forgets everything, after it was committed, or because it never will be. */
  clear(): void {
    for (const channel of this.channels) channel.draft = undefined;
    this.channels.clear();
    this.appends.length = this.held.length = this.#bytes = 0;
  }

  #draft(channel: SqliteChannel): Draft {
    channel.draft ??= {
      row: channel.row as ChannelRow,
      begins: false,
      entries: [],
      repeats: { writers: new Map(), keys: new Map() },
    };
    this.channels.add(channel);
    return channel.draft;
  }

  #begin(draft: Draft, { name }: SqliteChannel, { stamp }: Head): void {
    const { epochs, boundsOf } = this.#parts;
    const { id, used, due, oldest } = draft.row;
    const traits = { epoch: epochs.next(), stamp, lineage: [], given: {}, state: undefined, sealed: false };
    draft.row = { ...unused(traits, boundsOf(name).of(name)), id, used, due, oldest };
    draft.begins = true;
    draft.repeats.writers.clear();
    draft.repeats.keys.clear();
  }

  #add(draft: Draft, { data, time, tags }: Pick<NewEntry, "data" | "time" | "tags">, now: number): NewEntry {
    const { row } = draft;
    const bytes = byteLength(data) + tagBytes(tags);
    // The clock may be set back. Trimming relies on ages that fall from entry to entry.
    const arrived = Math.max(now, row.used);
    const offset = row.top + 1;
    const entry: NewEntry = { offset, data, time, tags: tags && { ...tags }, bytes, arrived };
    draft.entries.push(entry);
    const since = isEmpty(row) ? arrived : row.since;
    draft.row = { ...row, top: offset, total: row.total + bytes, since, used: arrived };
    this.#bytes += bytes + gatheredCost;
    return entry;
  }

  /** Returns the offset of an append that was made before. */
  #find(channel: SqliteChannel, options: AppendOptions, now: number): number | undefined {
    return findRepeat(channel.name, options, {
      known: (kind, text) => this.#repeat(channel, kind, stored(text), now),
      remember: (once, offset) => rememberWriter(this.#draft(channel), once, offset, now),
    });
  }

  #repeat(channel: SqliteChannel, kind: RepeatKind, text: string, now: number): Repeat | undefined {
    const { draft, row } = channel;
    const gathered = draft?.repeats[kind].get(text);
    if (gathered !== undefined) return gathered.expires > now ? gathered : undefined;
    if (draft?.begins || row === undefined || row.id === 0) return undefined;
    return this.#parts.repeats.find(kind, row.id, text, now);
  }
}

function rememberWriter(
  draft: Draft,
  { by, n }: NonNullable<AppendOptions["once"]>,
  offset: number,
  now: number,
): void {
  draft.repeats.writers.set(stored(by), { n, offset, expires: now + writerTtl });
}

/** Throws unless nothing was appended to the channel, or it is sealed and none of its entries is kept. */
function checkBegin(name: string, row: ChannelRow): void {
  if (row.top > 0 && !(row.traits.sealed && isEmpty(row))) throw new ExistsError(name);
}

function checkState(name: string, state: string | undefined): void {
  if (state === undefined || state.length <= maxState) return;
  const what = `it has ${state.length} characters, ${maxState} are allowed`;
  throw new RangeError(`Cannot use the state of ${JSON.stringify(name)}: ${what}`);
}

function broken(name: string): string {
  return `Cannot append to ${shown(name)}: its payload has a line break. Give it JSON text without one`;
}

/** Bytes that a row has at most besides its name, texts and tags: numbers, the epochs and the state of a channel. */
const rowCost = 32_768;

/** Throws unless the rows that an append writes can hold it: a commit that cannot write one would fail for ever. */
function checkRows(name: string, data: string, options: AppendOptions, maxRow: number): void {
  const { tags, once, key, hold } = options;
  const room = maxRow - rowCost;
  const { by = "" } = once ?? {};
  const { text = "" } = key ?? {};
  const length = data.length + name.length + by.length + text.length + (hold?.length ?? 0);
  // Neither as UTF-8 nor escaped does a character take more than six bytes.
  if (tags === undefined && length * 6 <= room) return;
  const ofEntry = byteLength(data) + (tags === undefined ? 0 : byteLength(JSON.stringify(tags)));
  const bytes = Math.max(ofEntry, byteLength(stored(name + by + text + (hold ?? ""))));
  if (bytes <= room) return;
  const what = `it takes ${bytes} bytes, and a row of the database holds ${room}`;
  const advice = "Publish a reference to it instead";
  throw new LogError(`Cannot append to ${shown(name)}: ${what}. ${advice}`, { lasting: true });
}

/** Returns the channel with what an append says of all of it. */
function changed(
  row: ChannelRow,
  { retention, state, place }: AppendOptions,
  kept: ChannelRow["retention"] | undefined,
): ChannelRow {
  if (kept === undefined && state === undefined && place !== "last") return row;
  const { traits } = row;
  const given = kept === undefined || retention === undefined ? traits.given : { ...retention };
  const isChanged = kept !== row.retention && kept !== undefined;
  if (!isChanged && place !== "last" && (state === undefined || state === traits.state)) return row;
  return {
    ...row,
    retention: kept ?? row.retention,
    traits: { ...traits, given, state: state ?? traits.state, sealed: traits.sealed || place === "last" },
  };
}
