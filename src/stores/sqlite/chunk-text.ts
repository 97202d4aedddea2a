import type { Entry } from "../../model/log.ts";
import type { NewEntry } from "./entry-store.ts";

/** The texts of a chunk: `data` is the payloads, a line each, and `head` is what else is known of the entries. */
export interface ChunkText {
  readonly head: string;
  readonly data: string;
}

/** What the head says of an entry: its bytes, when it was appended, its time if that is another, and its tags. */
type Mark = readonly [bytes: number, arrived: number, time?: number | null, tags?: Entry["tags"]];

/** Returns the texts for entries. Payloads have no line breaks. */
export function encoded(entries: readonly NewEntry[]): ChunkText {
  return {
    head: entries.map(markOf).join(),
    data: entries.map(({ data }) => data).join("\n"),
  };
}

/** Returns what the head says of the entries. */
export function marksIn(head: string): Mark[] {
  return JSON.parse(`[${head}]`) as Mark[];
}

/** Returns the entries of a chunk that begins at the offset `first`. */
export function decoded({ head, data }: ChunkText, first: number): Entry[] {
  const payloads = data.split("\n");
  return marksIn(head).map(([, arrived, time, tags], at) => {
    return { offset: first + at, data: payloads[at] as string, time: time ?? arrived, tags };
  });
}

function markOf({ bytes, arrived, time, tags }: NewEntry): string {
  const described = tags === undefined ? "" : `,${JSON.stringify(tags)}`;
  const other = time === arrived ? "null" : numeral(time);
  if (described === "" && time === arrived) return `[${bytes},${arrived}]`;
  return `[${bytes},${arrived},${other}${described}]`;
}

/** JSON has no Infinity, but numbers that are read as Infinity. */
function numeral(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "1e999" : "-1e999";
}
