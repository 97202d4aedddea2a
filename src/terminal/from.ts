import type { Position } from "../model/log.ts";

/** Where to begin: at the earliest publication that is kept, with the next one, or after a position. */
export type From = "start" | "now" | Position;

/** Reads the value of `--from`. Throws a TypeError that describes the mistake. */
export function fromOf(from: string | undefined): From | undefined {
  if (from === undefined || from === "start" || from === "now") return from;
  const [, offset, epoch] = /^(\d{1,15})@(.+)$/.exec(from) ?? [];
  if (offset === undefined || epoch === undefined)
    throw new TypeError(`Cannot begin at ${JSON.stringify(from)}: it is start, now or <offset>@<epoch>`);
  return { offset: Number(offset), epoch };
}
