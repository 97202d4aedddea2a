import type { Position } from "../../model/log.ts";

/** The end of the id of a last event. */
const final = /;\d+$/;

/**
 * Returns positions as the id of an event: `17:Zx9` for each channel, in the order in which the request names them,
 * joined by commas. A channel without a position is empty.
 */
export function idOf(positions: Iterable<Position | undefined>): string {
  return Array.from(positions, (position) =>
    position === undefined ? "" : `${position.offset}:${encodeURIComponent(position.epoch)}`,
  ).join(",");
}

/**
 * Returns the id of the last event of a stream to which the client must not come back by itself: `17:Zx9;3503`. An
 * `EventSource` comes back after any end, and only a response tells it to stay away.
 */
export function finalId(id: string, code: number): string {
  return `${id};${code}`;
}

/** Returns whether an id is of such an event. */
export function isFinalId(id: string): boolean {
  return final.test(id);
}

/**
 * Reads an id for so many channels. An offset may stand without an epoch, and then is one of any. Returns undefined if it
 * is no such id.
 */
export function positionsIn(id: string, channels: number): (Position | undefined)[] | undefined {
  const parts = id.replace(final, "").split(",");
  if (parts.length !== channels) return undefined;
  const positions: (Position | undefined)[] = [];
  for (const part of parts) {
    const position = part === "" ? undefined : positionIn(part);
    if (part !== "" && position === undefined) return undefined;
    positions.push(position);
  }
  return positions;
}

function positionIn(text: string): Position | undefined {
  const [, offset, epoch = ""] = /^(\d{1,16})(?::(.*))?$/.exec(text.trim()) ?? [];
  if (offset === undefined || !Number.isSafeInteger(Number(offset))) return undefined;
  try {
    return { offset: Number(offset), epoch: decodeURIComponent(epoch) };
  } catch {
    return undefined;
  }
}
