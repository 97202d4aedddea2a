import { checkBound } from "../../base/check.ts";
import type { Entry, Position, ReadOptions, Retention, Slice, WakeHint } from "../../model/log.ts";
import { restored } from "../text.ts";
import { faultOf } from "./faults.ts";

/** What the script returns: facts, lineage, state, the offset of the first entry, and the entries. */
type Answer = readonly [
  facts: string,
  lineage: string,
  state: string,
  from: string,
  entries: readonly string[],
];

/**
 * Returns the arguments of a read.
 *
 * @throws {RangeError} when `limit` or `last` cannot be used
 */
export function readArgs(seed: string, usual: Retention, { after, limit, last }: ReadOptions): string[] {
  if (limit !== undefined) checkBound("limit", limit);
  if (last !== undefined) checkBound("last", last);
  if (limit !== undefined && last !== undefined)
    throw new RangeError("Cannot read with limit and last: give one of them");
  const { size, bytes, ttl, slack } = usual;
  // No other position is after what is kept.
  const offset = after && (Number.isSafeInteger(after.offset) ? after.offset : -1);
  return [
    ...[seed, String(size), String(bytes), String(ttl), String(slack)],
    ...[offset === undefined ? "" : String(offset), after?.epoch ?? "", countOf(limit), countOf(last)],
  ];
}

function countOf(bound: number | undefined): string {
  return bound === undefined || bound > Number.MAX_SAFE_INTEGER ? "" : String(Math.floor(bound));
}

/** What was read, and what else the answer says. */
export interface ReadAnswer {
  readonly slice: Slice;
  /** The replication id of the server, or "?" if the log may not know it. */
  readonly server: string;
  /** Whether the channel goes on in another epoch than before. */
  readonly isContinued: boolean;
}

/** @throws {LogError} when the channel cannot be read */
export function readSlice(channel: string, answer: unknown): ReadAnswer {
  const [facts, lineageText, stateText, from, found] = answer as Answer;
  if (facts.startsWith("E")) throw faultOf(new Error(facts.slice(1)), `read ${JSON.stringify(channel)}`);
  const [server = "?", epoch = "", top, first, gapless, sealed, continued] = facts.split(" ");
  const lineage = lineageText === "" ? [] : lineageText.split(" ").map(positionOf);
  const slice: Slice = {
    ...{ epoch, top: Number(top), first: Number(first), gapless: gapless === "1" },
    entries: found.map((text, index) => entryOf(Number(from) + index, text)),
    ...(stateText !== "" && { state: restored(stateText.slice(1)) }),
    ...(sealed === "1" && { sealed: true }),
    ...(lineage.length > 0 && { lineage }),
  };
  return { slice, server, isContinued: continued === "1" };
}

function positionOf(text: string): Position {
  const [epoch = "", offset] = text.split(":");
  return { epoch, offset: Number(offset) };
}

/** Reads an entry as it is kept: its arrival, the bytes before it, what is known of it, and in a line of its own the data. */
function entryOf(offset: number, text: string): Entry {
  const end = text.indexOf("\n");
  const meta = JSON.parse(text.slice(text.indexOf("{"), end)) as {
    readonly t: number;
    readonly g?: Record<string, string>;
    readonly o?: string;
  };
  return {
    ...{ offset, data: text.slice(end + 1), time: meta.t },
    ...(meta.g && { tags: meta.g }),
    ...(meta.o !== undefined && { origin: meta.o }),
  };
}

/** Reads what a wake carries: epoch and offset, and in the next lines the entry, unless it is long. */
export function hintOf(text: string): WakeHint | undefined {
  const end = text.indexOf("\n");
  if (end < 0) return undefined;
  const [epoch = "", offset] = text.slice(0, end).split(" ");
  return { ...entryOf(Number(offset), text.slice(end + 1)), epoch };
}
