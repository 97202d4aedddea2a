import type { Position } from "../../model/log.ts";

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
 * Reads an id for so many channels. An offset may stand without an epoch, and then is one of any. Returns undefined if it
 * is no such id.
 */
export function positionsIn(id: string, channels: number): (Position | undefined)[] | undefined {
  const parts = id.split(",");
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
