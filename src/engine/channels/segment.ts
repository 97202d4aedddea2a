import { byteLength } from "../../base/bytes.ts";
import type { Entry } from "../../model/log.ts";
import type { Codec } from "../../wire/protocol.ts";
import type { Piece } from "../delivery/subscription.ts";

/**
 * A few consecutive publications of a channel, encoded once and joined once for everybody who is at its start.
 *
 * Whoever is in its middle gets a slice of the same text.
 */
export interface Segment {
  /** Offset of its first publication. */
  readonly first: number;
  /** Offset of its last publication. */
  readonly last: number;
  /** The pushes, joined by the codec's separator. */
  readonly text: string;
  readonly bytes: number;
  /** How many characters of each push stand before and after the publication itself. */
  readonly head: number;
  readonly tail: number;
  /** Where each push begins in `text`, in characters. */
  readonly starts: readonly number[];
  /** Where each push begins in `text`, in bytes. */
  readonly byteStarts: readonly number[];
}

/** Where the pushes begin in a segment of one. */
const start: readonly number[] = [0];

/** Encodes one entry. `head` is what the codec puts before a publication to its channel. */
function encodeSegment(codec: Codec, head: string, entry: Entry): Segment {
  const text = head + codec.publication(entry) + codec.pushTail;
  return {
    first: entry.offset,
    last: entry.offset,
    text,
    bytes: byteLength(text),
    head: head.length,
    tail: codec.pushTail.length,
    starts: start,
    byteStarts: start,
  };
}

/** Encodes entries, which must be consecutive, into segments of at most `most` bytes, or of a single publication. */
export function encodeSegments(
  codec: Codec,
  head: string,
  entries: readonly Entry[],
  most: number,
): Segment[] {
  const alone = entries[0];
  if (entries.length === 1 && alone !== undefined) return [encodeSegment(codec, head, alone)];
  return encodeSeveral(codec, head, entries, most);
}

function encodeSeveral(codec: Codec, head: string, entries: readonly Entry[], most: number): Segment[] {
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
      head: head.length,
      tail: codec.pushTail.length,
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
    const text = head + codec.publication(entry) + codec.pushTail;
    const size = byteLength(text);
    if (texts.length > 0 && bytes + size > most) seal(entry.offset - 1);
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

/** The same as `cut`, without a new piece for those at the beginning who have room for all of it, as most do. */
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
 * Takes what follows offset `after` and fits into `room` bytes, or undefined when that is nothing.
 *
 * A part is only cut off when `atLeastOne` says that the session has no publication in flight: otherwise waiting for room
 * keeps the session where the others are, and so keeps sharing their text.
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

/** Where a push ends, in characters: one separator before the next one begins. */
function endOf({ starts, text }: Segment, at: number): number {
  return (starts[at + 1] ?? text.length + 1) - 1;
}

/** The same in bytes. */
function byteEndOf({ byteStarts, bytes }: Segment, at: number): number {
  return (byteStarts[at + 1] ?? bytes + 1) - 1;
}

/** Takes the publications themselves, without the pushes around them, that follow `after` and fit into `room` bytes. */
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
    texts.push(segment.text.slice(start + segment.head, endOf(segment, at) - segment.tail));
  }
  return { texts, bytes };
}
