import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import type { Position, Slice } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import { isStart } from "../core/input-check.ts";
import type { Missed } from "../delivery/missed-notices.ts";
import type { LogReader } from "../log/log-reader.ts";
import type { Channel } from "./channel.ts";
import { publications } from "./segment.ts";

/** The result of a recovery: what a client has missed. */
export interface RecoveryResult {
  recovery?: Recovery;
  /** The last reply for this result. It is the same for most clients. */
  said?: CachedReply;
  missed: Missed;
  /** The offset after which the log is complete. Set if the missed publications are not available. */
  earliest?: number;
}

/** A cached reply, with the parts that differ per subscriber. */
export interface CachedReply {
  readonly present: string | undefined;
  readonly notice: Missed | undefined;
  readonly result: string;
}

interface Recovery {
  /** The offset that the client sent. */
  after: number;
  /** The offset of the last publication in the reply. */
  cursor: number;
  publications: readonly string[];
  bytes: number;
}

/** What a client that comes back asks for. */
interface Wanted {
  readonly channel: Channel;
  readonly codec: Codec;
  /** The position that it has. */
  readonly after: Position;
}

/** The last result whose publications all fit into one reply. */
interface Known {
  readonly channel: Channel;
  readonly codec: Codec;
  readonly epoch: string;
  readonly top: number;
  readonly found: RecoveryResult;
  /** Whether the result has been checked against the log in this turn. */
  isPresent: boolean;
}

/** Finds what clients that come back have missed. Clients that come back to the same position share one result. */
export class Recoveries {
  readonly #log: LogReader;
  /**
   * Only the last result is kept, of at most one window: when many clients come back, they come to one channel at the
   * same time.
   */
  #known: Known | undefined;

  constructor(log: LogReader) {
    this.#log = log;
  }

  /**
   * Finds what follows a position. The returned function makes the result, with at most `room` bytes of publications.
   */
  find(wanted: Wanted, room: number): MaybePromise<(room: number) => RecoveryResult> {
    const { channel, codec, after } = wanted;
    const known = this.#known;
    if (known !== undefined && isSame(known, wanted, room) && this.#isCurrent(known, after)) {
      const { found } = known;
      return (room) => ((found.recovery?.bytes ?? 0) <= room ? found : withoutPublications(found));
    }
    return andThen(readIn(channel, after), (slice) => (room: number) => {
      const found = findIn(slice, wanted, room);
      const { epoch, top } = channel;
      const isWhole = found.recovery?.cursor === top && after.epoch === epoch;
      this.#known = isWhole ? { channel, codec, epoch, top, found, isPresent: true } : undefined;
      return found;
    });
  }

  /**
   * Returns whether the log still holds the known result. The log may have trimmed some of it since the last turn. Only
   * a synchronous log can be asked here.
   */
  #isCurrent(known: Known, after: Position): boolean {
    if (known.isPresent) return true;
    if (!this.#log.isAtOnce) return false;
    const slice = this.#log.read(known.channel.name, { after, limit: 0 });
    if (slice instanceof Promise) {
      ignorable(slice);
      return false;
    }
    known.isPresent = slice.gapless && slice.epoch === known.epoch && slice.top === known.top;
    return known.isPresent;
  }

  /** Keeps the result for the next turn if it was used in this one. It must be checked again then. */
  carryOver(): void {
    if (this.#known?.isPresent === true) this.#known.isPresent = false;
    else this.#known = undefined;
  }

  clear(): void {
    this.#known = undefined;
  }
}

/** Reads after a position. If the log goes on in another epoch that continues it, the channel has to go there first. */
function readIn(channel: Channel, after: Position): MaybePromise<Slice> {
  return andThen(channel.read(after), (slice) => {
    if (!slice.gapless || slice.epoch === channel.epoch) return slice;
    channel.refresh();
    return andThen(channel.current(), () => channel.read(after));
  });
}

/**
 * Returns the result without publications, for a reply whose room is used up by other channels. All publications follow
 * as pushes.
 */
function withoutPublications({ recovery, missed }: RecoveryResult): RecoveryResult {
  if (recovery === undefined) return { missed };
  return { missed, recovery: { ...recovery, cursor: recovery.after, publications: [], bytes: 0 } };
}

/** Returns whether a new search would have the known result. */
function isSame(known: Known, { channel, codec, after }: Wanted, room: number): boolean {
  const { recovery } = known.found;
  if (known.codec !== codec) return false;
  const isThere = known.channel === channel && known.epoch === channel.epoch && known.top === channel.top;
  return isThere && known.epoch === after.epoch && recovery?.after === after.offset && recovery.bytes <= room;
}

/** Collects the publications that a client has missed. If there is a gap, it returns only how many are missing. */
function findIn(slice: Slice, { channel, codec, after }: Wanted, room: number): RecoveryResult {
  if (!slice.gapless || slice.epoch !== channel.epoch)
    return { missed: lost(slice, after), earliest: slice.first - 1 };
  const cache = channel.cacheOf(codec);
  cache.addAside(slice.entries);
  const texts: string[] = [];
  let bytes = 0;
  let cursor = after.offset;
  while (cursor < slice.top) {
    const segment = cache.after(cursor);
    const taken = segment === undefined ? undefined : publications(segment, cursor, room - bytes);
    // The rest follows as pushes.
    if (taken === undefined || taken.texts.length === 0) break;
    texts.push(...taken.texts);
    bytes += taken.bytes;
    cursor += taken.texts.length;
  }
  const recovery = {
    after: after.offset,
    cursor,
    publications: texts,
    bytes,
  };
  // A client that requests the channel from its start has missed nothing before.
  const delayed = isStart(after) ? 0 : slice.top - after.offset;
  return { recovery, missed: { epoch: slice.epoch, delayed, gone: 0, kept: 0 } };
}

/** Returns how much a client misses for good, because the log cannot be read after its position without a gap. */
function lost({ epoch, first, top }: Slice, after: Position): Missed {
  const isKnown = (after.epoch === epoch || isStart(after)) && after.offset < first;
  const kept = top + 1 - first;
  return { epoch, delayed: 0, gone: isKnown ? first - 1 - after.offset : null, kept };
}
