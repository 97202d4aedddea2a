import { byteLength, tagBytes } from "../base/bytes.ts";
import { checkBound } from "../base/check.ts";
import { ExistsError, LogError, SealedError } from "../model/errors.ts";
import {
  type AppendAllOptions,
  type AppendEntry,
  type AppendOptions,
  type Entry,
  entryCost,
  type Position,
  type ReadOptions,
  type Retention,
  type Slice,
} from "../model/log.ts";
import type { Bounds } from "../stores/bounds.ts";
import { checkState } from "../stores/memory.ts";
import { findRepeat, writerTtl } from "../stores/repeats.ts";

/** Milliseconds for which an entry over the bounds is young, and is kept while there is slack. */
const youth = 10_000;
/** How many older epochs a channel remembers. */
const maxLineage = 8;

interface Kept extends Entry {
  readonly bytes: number;
  readonly arrived: number;
}

/** What is remembered of a writer or a key: the append that it was last used for. */
interface Mark extends Position {
  readonly n: number;
  readonly expires: number;
}

type Marks = Readonly<Record<"writers" | "keys", ReadonlyMap<string, Mark>>>;

/**
 * A channel of a shared store. It is never changed: each append puts another one in its place. So a store is set back by
 * taking the channels that it had.
 */
export interface SharedChannel {
  readonly name: string;
  readonly epoch: string;
  /** See {@linkcode Slice.lineage}. */
  readonly lineage: readonly Position[];
  readonly retention: Retention;
  readonly top: number;
  readonly entries: readonly Kept[];
  /** Bytes of all entries. */
  readonly bytes: number;
  readonly state: string | undefined;
  readonly sealedAt: number | undefined;
  readonly marks: Marks;
  /** When it was last used. */
  readonly used: number;
}

/** What an append needs besides its options. */
export interface AppendContext {
  readonly now: number;
  readonly bounds: Bounds;
  /** Returns an epoch that was never used before. */
  epoch(): string;
}

/** A channel after an append, and where that is. */
export interface Appended {
  readonly channel: SharedChannel;
  readonly position: Position;
  /** Whether it had been made before. */
  readonly isRepeat: boolean;
}

export function createChannel(name: string, epoch: string, retention: Retention): SharedChannel {
  const marks = { writers: new Map<string, Mark>(), keys: new Map<string, Mark>() };
  const nothing = { entries: [], bytes: 0, state: undefined, sealedAt: undefined, marks, used: 0 };
  return { name, epoch, lineage: [], retention, top: 0, ...nothing };
}

/** Returns the channel in another epoch that continues this one. What was appended after this moment is lost. */
export function continued(channel: SharedChannel, epoch: string): SharedChannel {
  const here = { epoch: channel.epoch, offset: channel.top };
  return { ...channel, epoch, lineage: [here, ...channel.lineage].slice(0, maxLineage) };
}

/**
 * Returns the channel with one more entry, or the position of an append that was made before, with the channel that
 * remembers this one.
 *
 * @throws {ExistsError | SealedError} when the append may not have its place
 * @throws {RangeError} when an option cannot be used
 */
export function appended(
  channel: SharedChannel,
  data: string,
  options: AppendOptions,
  context: AppendContext,
): Appended {
  const { now, bounds } = context;
  let { marks } = channel;
  const repeat = findRepeat(channel.name, options, {
    known: (kind, text) => knownMark(channel, kind, text, options, now),
    remember: (once, offset) => {
      marks = marked(channel, { once }, offset, now);
    },
  });
  if (repeat !== undefined) {
    const position = { epoch: channel.epoch, offset: repeat };
    return { channel: { ...channel, marks }, position, isRepeat: true };
  }
  const { time, tags, origin, retention, place, state } = options;
  checkFollows(channel, options);
  if (state !== undefined) checkState(channel.name, state);
  const begun = place === "first" ? begin(channel, context) : open(channel);
  const kept = retention === undefined ? begun.retention : bounds.with(channel.name, retention);
  const offset = begun.top + 1;
  const bytes = byteLength(data) + tagBytes(tags);
  const entry = { offset, data, time, ...(tags && { tags: { ...tags } }), ...(origin && { origin }) };
  const next: SharedChannel = {
    ...begun,
    retention: kept,
    top: offset,
    entries: [...begun.entries, { ...entry, bytes, arrived: now }],
    bytes: begun.bytes + bytes,
    state: state ?? begun.state,
    sealedAt: place === "last" ? now : undefined,
    marks: marked(begun, options, offset, now),
  };
  return { channel: next, position: { epoch: next.epoch, offset }, isRepeat: false };
}

/** The same for several entries, which count as one append of their writer. The position is that of the last. */
export function appendedAll(
  channel: SharedChannel,
  [first, ...rest]: readonly AppendEntry[],
  { once, ...options }: AppendAllOptions,
  context: AppendContext,
): Appended {
  if (first === undefined)
    throw new RangeError(`Cannot append to ${JSON.stringify(channel.name)}: there are no entries`);
  let last = appended(channel, first.data, { ...options, ...first, once }, context);
  if (last.isRepeat) return last;
  for (const entry of rest) last = appended(last.channel, entry.data, { ...options, ...entry }, context);
  const marks = marked(last.channel, { once }, last.position.offset, context.now);
  return { ...last, channel: { ...last.channel, marks } };
}

function checkFollows({ name, epoch, lineage }: SharedChannel, { follows }: AppendOptions): void {
  if (follows === undefined || follows.epoch === epoch) return;
  if (lineage.some((older) => older.epoch === follows.epoch && follows.offset <= older.offset)) return;
  const what = `what it follows, ${follows.offset} of epoch ${follows.epoch}, is lost`;
  throw new LogError(`Cannot append to ${JSON.stringify(name)}: ${what}`);
}

/** Returns what is remembered of a writer or a key. */
function knownMark(
  { marks, epoch }: SharedChannel,
  kind: "writers" | "keys",
  text: string,
  { once }: AppendOptions,
  now: number,
): Mark | undefined {
  const mark = marks[kind].get(text);
  if (mark === undefined || mark.expires <= now) return undefined;
  // The store was set back, and has forgotten what this writer has appended meanwhile: it begins with what it sends.
  const isAhead = kind === "writers" && mark.epoch !== epoch && once !== undefined && once.n > mark.n;
  return isAhead ? undefined : mark;
}

/** Remembers an append, and forgets those that have expired. */
function marked(
  { marks, epoch }: SharedChannel,
  { once, key }: Pick<AppendOptions, "once" | "key">,
  offset: number,
  now: number,
): Marks {
  const fresh = (kind: keyof Marks) => new Map([...marks[kind]].filter(([, { expires }]) => expires > now));
  const writers = once ? fresh("writers") : marks.writers;
  const keys = key ? fresh("keys") : marks.keys;
  if (once)
    (writers as Map<string, Mark>).set(once.by, { epoch, offset, n: once.n, expires: now + writerTtl });
  if (key) (keys as Map<string, Mark>).set(key.text, { epoch, offset, n: 0, expires: now + key.ttl });
  return { writers, keys };
}

/** Returns the channel in which an append in the first place is made. */
function begin(channel: SharedChannel, { bounds, epoch }: AppendContext): SharedChannel {
  const { name, top, sealedAt, entries } = channel;
  const isOver = sealedAt !== undefined && entries.length === 0;
  if (top > 0 && !isOver) throw new ExistsError(name);
  // A channel in which nothing was ever appended keeps its epoch, so that positions of its readers stay valid.
  const { lineage } = top === 0 ? channel : { lineage: [] };
  return { ...createChannel(name, top === 0 ? channel.epoch : epoch(), bounds.of(name)), lineage };
}

function open(channel: SharedChannel): SharedChannel {
  if (channel.sealedAt !== undefined) throw new SealedError(channel.name);
  return channel;
}

/** Returns the channel without the entries that are over its bounds. */
export function trimmed(channel: SharedChannel, now: number): SharedChannel {
  const { retention, entries, sealedAt } = channel;
  const { ttl, slack } = retention;
  let { count: over, cost: beyond } = overIn(channel);
  let { bytes } = channel;
  let gone = 0;
  for (const entry of entries) {
    const isExpired = now - (sealedAt ?? entry.arrived) >= ttl;
    const isSpared = slack > 0 && now - entry.arrived < youth && beyond <= slack;
    if (!isExpired && (over <= 0 || isSpared)) break;
    gone++;
    over--;
    bytes -= entry.bytes;
    beyond -= entry.bytes + entryCost;
  }
  return gone === 0 ? channel : { ...channel, entries: entries.slice(gone), bytes };
}

/** Returns how many of the oldest entries are over `size` and `bytes`, and what they take. */
function overIn({ entries, bytes, retention }: SharedChannel): { count: number; cost: number } {
  let [count, cost, rest] = [0, 0, bytes];
  for (const entry of entries) {
    if (entries.length - count <= retention.size && rest <= retention.bytes) break;
    count++;
    rest -= entry.bytes;
    cost += entry.bytes + entryCost;
  }
  return { count, cost };
}

/** Whether nothing of the channel can be read, and nothing of it can be repeated. */
export function isIdle({ entries, marks }: SharedChannel, now: number): boolean {
  return entries.length === 0 && ![...marks.keys.values()].some(({ expires }) => expires > now);
}

/** @throws {RangeError} when `limit` or `last` cannot be used */
export function sliceOf(channel: SharedChannel, { after, limit, last }: ReadOptions): Slice {
  if (limit !== undefined) checkBound("limit", limit);
  if (last !== undefined) checkBound("last", last);
  if (limit !== undefined && last !== undefined)
    throw new RangeError(
      `Cannot read ${JSON.stringify(channel.name)}: limit and last cannot be used together`,
    );
  const { epoch, top, state, lineage } = channel;
  const first = top - channel.entries.length + 1;
  const gapless = after === undefined || follows(after, first, channel);
  const rest = gapless ? channel.entries.filter(({ offset }) => offset > (after?.offset ?? 0)) : [];
  const part =
    last === undefined ? rest.slice(0, limit) : rest.slice(Math.max(0, rest.length - Math.floor(last)));
  return {
    ...{ epoch, top, first, gapless },
    entries: part.map(({ bytes, arrived, ...entry }) => entry),
    ...(state !== undefined && { state }),
    ...(channel.sealedAt !== undefined && { sealed: true }),
    ...(lineage.length > 0 && { lineage }),
  };
}

/** Whether everything after a position is kept, so that reading on from it leaves no gap. */
function follows({ epoch, offset }: Position, first: number, { top, ...channel }: SharedChannel): boolean {
  if (!Number.isInteger(offset) || offset + 1 < first || offset > top) return false;
  if (epoch === "" || epoch === channel.epoch) return true;
  return channel.lineage.some((older) => older.epoch === epoch && offset <= older.offset);
}
