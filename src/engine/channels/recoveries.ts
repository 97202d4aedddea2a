import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import type { Position, Slice } from "../../model/log.ts";
import { isStart } from "../core/input-check.ts";
import type { Missed } from "../delivery/missed-notices.ts";
import type { LogReader } from "../log/log-reader.ts";
import type { Channel } from "./channel.ts";
import { publications } from "./segment.ts";

/** What was found for somebody who comes back. */
export interface RecoveryResult {
  recovery?: Recovery;
  /** What was last said of it: most are told the same. */
  said?: CachedReply;
  missed: Missed;
  /** The offset after which the log is whole, where what was missed cannot be had. */
  earliest?: number;
}

/** A result, and what is in it that one may be told and another not. */
export interface CachedReply {
  readonly present: string | undefined;
  readonly notice: Missed | undefined;
  readonly result: string;
}

interface Recovery {
  /** The offset the client sent. */
  after: number;
  /** The offset of the last publication in the reply. */
  cursor: number;
  publications: string;
  bytes: number;
}

/** What was found last for somebody who came back to a channel, and had missed no more than a reply holds. */
interface Known {
  readonly channel: Channel;
  readonly epoch: string;
  readonly top: number;
  readonly found: RecoveryResult;
  /** Whether it is known to be so in this turn. */
  isPresent: boolean;
}

/** Finds what clients that come back have missed, once for all who come back to the same place. */
export class Recoveries {
  readonly #log: LogReader;
  /** One at a time, of a window's size at most: storms come to a channel at once. */
  #known: Known | undefined;

  constructor(log: LogReader) {
    this.#log = log;
  }

  /** Looks for what follows a position. The answer takes at most so many bytes of it. */
  find(channel: Channel, after: Position, room: number): MaybePromise<(room: number) => RecoveryResult> {
    const known = this.#known;
    if (known !== undefined && isAgain(known, channel, after, room) && this.#isStill(known, after)) {
      const { found } = known;
      return (room) => ((found.recovery?.bytes ?? 0) <= room ? found : withoutPublications(found));
    }
    return andThen(channel.read(after), (slice) => (room: number) => {
      const found = findIn(slice, channel, after, room);
      const { epoch, top } = channel;
      const isWhole = found.recovery?.cursor === top && after.epoch === epoch;
      this.#known = isWhole ? { channel, epoch, top, found, isPresent: true } : undefined;
      return found;
    });
  }

  /** Whether the log holds it still: since the last turn it may have let go of some. Not every log can say so at once. */
  #isStill(known: Known, after: Position): boolean {
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

  /** Keeps for the next turn what somebody has come back for in this one. */
  carryOver(): void {
    if (this.#known?.isPresent === true) this.#known.isPresent = false;
    else this.#known = undefined;
  }

  clear(): void {
    this.#known = undefined;
  }
}

/** The same where others have taken the room: all of it follows as pushes. */
function withoutPublications({ recovery, missed }: RecoveryResult): RecoveryResult {
  if (recovery === undefined) return { missed };
  return { missed, recovery: { ...recovery, cursor: recovery.after, publications: "", bytes: 0 } };
}

/** Whether what was found is what would be found now: all that there is. */
function isAgain(known: Known, channel: Channel, after: Position, room: number): boolean {
  const { recovery } = known.found;
  const isThere = known.channel === channel && known.epoch === channel.epoch && known.top === channel.top;
  return isThere && known.epoch === after.epoch && recovery?.after === after.offset && recovery.bytes <= room;
}

/** Takes what the client missed, or answers only how much when that cannot be had without a hole. */
function findIn(slice: Slice, channel: Channel, after: Position, room: number): RecoveryResult {
  if (!slice.gapless || slice.epoch !== channel.epoch)
    return { missed: lost(slice, after), earliest: slice.first - 1 };
  channel.cache.addAside(slice.entries);
  const texts: string[] = [];
  let bytes = 0;
  let cursor = after.offset;
  while (cursor < slice.top) {
    const segment = channel.cache.after(cursor);
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
    publications: texts.length === 0 ? "" : `,"publications":[${texts.join(",")}]`,
    bytes,
  };
  // Whoever begins at the start does not come back.
  const delayed = isStart(after) ? 0 : slice.top - after.offset;
  return { recovery, missed: { epoch: slice.epoch, delayed, gone: 0, kept: 0 } };
}

/** What a client will not be sent that asks for what follows a position which is not to be had any more. */
function lost({ epoch, first, top }: Slice, after: Position): Missed {
  const isKnown = (after.epoch === epoch || isStart(after)) && after.offset < first;
  const kept = top + 1 - first;
  return { epoch, delayed: 0, gone: isKnown ? first - 1 - after.offset : null, kept };
}
