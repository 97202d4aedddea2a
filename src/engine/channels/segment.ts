import type { Entry } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { Piece } from "../delivery/subscription.ts";

/**
 * A few consecutive publications of a channel, encoded and joined once for all subscriptions that are at its start.
 *
 * A subscription in the middle of a segment gets a slice of the same text.
 */
export interface Segment {
  /** Offset of its first publication. */
  readonly first: number;
  /** Offset of its last publication. */
  readonly last: number;
  /** The pushes, joined by the codec's separator. */
  readonly text: string;
  readonly bytes: number;
  readonly codec: Codec;
  /** What each push begins with; see `Codec.pubHead`. */
  readonly head: string;
  /** The start of each push in `text`, in characters. */
  readonly starts: readonly number[];
  /** The start of each push in `text`, in bytes. */
  readonly byteStarts: readonly number[];
}

/** The starts of a segment with one push. */
const start: readonly number[] = [0];

/** Encodes one entry. */
function encodeSegment(codec: Codec, head: string, entry: Entry): Segment {
  const text = codec.pub(head, entry);
  return {
    first: entry.offset,
    last: entry.offset,
    text,
    bytes: codec.byteLength(text),
    codec,
    head,
    starts: start,
    byteStarts: start,
  };
}

/**
 * Encodes consecutive entries into segments of at most `maxBytes` bytes. A larger publication gets a segment of its
 * own.
 */
export function encodeSegments(
  codec: Codec,
  head: string,
  entries: readonly Entry[],
  maxBytes: number,
): Segment[] {
  const alone = entries[0];
  if (entries.length === 1 && alone !== undefined) return [encodeSegment(codec, head, alone)];
  return encodeSeveral(codec, head, entries, maxBytes);
}

function encodeSeveral(codec: Codec, head: string, entries: readonly Entry[], maxBytes: number): Segment[] {
  const segments: Segment[] = [];
  let texts: string[] = [];
  let starts: number[] = [];
  let byteStarts: number[] = [];
  let chars = 0;
  let bytes = 0;
  const seal = (last: number): void => {
    segments.push({
      first: last - texts.length + 1,
      last,
      text: texts.join(codec.separator),
      bytes: bytes - codec.separator.length,
      codec,
      head,
      starts,
      byteStarts,
    });
    texts = [];
    starts = [];
    byteStarts = [];
    chars = 0;
    bytes = 0;
  };
  for (const entry of entries) {
    const text = codec.pub(head, entry);
    const size = codec.byteLength(text);
    if (texts.length > 0 && bytes + size > maxBytes) seal(entry.offset - 1);
    texts.push(text);
    starts.push(chars);
    byteStarts.push(bytes);
    chars += text.length + codec.separator.length;
    bytes += size + codec.separator.length;
  }
  const last = entries.at(-1);
  if (last !== undefined) seal(last.offset);
  return segments;
}

/**
 * Like `cut`, but returns the segment itself if it begins right after `after` and fits into the room. That is the usual
 * case, and it creates no new piece.
 */
export function pieceOf(
  segment: Segment,
  after: number,
  room: number,
  atLeastOne: boolean,
): Piece | undefined {
  if (segment.first === after + 1 && segment.bytes <= room) return segment;
  return cut(segment, after, room, atLeastOne);
}

/**
 * Returns the publications that follow offset `after` and fit into `room` bytes. Undefined if there are none.
 *
 * A segment is split only if `atLeastOne` is true, which means that the session has no publication in flight. Then at
 * least one publication is returned, whatever its size. Otherwise the session waits for room. So it stays at the same
 * offset as other sessions, and can go on sharing their text.
 */
export function cut(segment: Segment, after: number, room: number, atLeastOne: boolean): Piece | undefined {
  const from = after + 1 - segment.first;
  const start = segment.starts[from] as number;
  const byteStart = segment.byteStarts[from] as number;
  let to = segment.starts.length - 1;
  if (segment.bytes - byteStart > room) {
    if (!atLeastOne) return undefined;
    to = from;
    while (to + 1 < segment.starts.length && byteEndOf(segment, to + 1) - byteStart <= room) to++;
  }
  return {
    text: segment.text.slice(start, endOf(segment, to)),
    bytes: byteEndOf(segment, to) - byteStart,
    last: segment.first + to,
  };
}

/** Returns the end of a push in characters. It is one separator before the start of the next push. */
function endOf({ starts, text, codec: { separator } }: Segment, at: number): number {
  const next = starts[at + 1];
  return next === undefined ? text.length : next - separator.length;
}

/** Returns the end of a push in bytes. */
function byteEndOf({ byteStarts, bytes, codec: { separator } }: Segment, at: number): number {
  const next = byteStarts[at + 1];
  return next === undefined ? bytes : next - separator.length;
}

/** Returns the publications that follow `after` and fit into `room` bytes, without the pushes around them. */
export function publications(
  segment: Segment,
  after: number,
  room: number,
): { texts: string[]; bytes: number } {
  const texts: string[] = [];
  let bytes = 0;
  for (let at = after + 1 - segment.first; at < segment.starts.length; at++) {
    const size = byteEndOf(segment, at) - (segment.byteStarts[at] as number);
    if (bytes + size > room) break;
    bytes += size;
    const start = segment.starts[at] as number;
    texts.push(segment.codec.publicationIn(segment.head, segment.text.slice(start, endOf(segment, at))));
  }
  return { texts, bytes };
}
