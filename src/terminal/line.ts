import { printable } from "../base/printable.ts";
import type { Publication } from "../model/publication.ts";
import type { Paint } from "./cells.ts";

/** Formats a publication as one line for people: its time, channel and event. */
export function lineOf({ channel, data, time }: Publication, paint: Paint): string {
  const [style, text] = eventOf(data);
  const words = printable(text);
  const when = paint("dim", new Date(time).toISOString());
  return `${when} ${paint("bold", printable(channel))} ${style === undefined ? words : paint(style, words)}`;
}

/** Formats a publication as one line of JSON. */
export function jsonOf({ channel, offset, epoch, time, data, tags }: Publication): string {
  return printable(JSON.stringify({ channel, offset, epoch, time, data, tags }));
}

/** Formats a value for people: a string as it is, anything else as JSON. */
export function wordsOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

type Fields = Readonly<Record<string, unknown>>;

/** The formats of the well-known events. Any other event is printed as its type and its fields. */
const formats: Record<string, (event: Fields) => [Parameters<Paint>[0] | undefined, string]> = {
  "run.started": ({ name }) => ["cyan", name === undefined ? "started" : `started ${JSON.stringify(name)}`],
  "run.completed": (event) => ["green", ["completed", ...resultOf(event)].join(" ")],
  "run.failed": (event) => ["red", `failed ${failureOf(event)}`],
  "run.cancelled": (event) => ["yellow", `cancelled ${cancellerOf(event)}`],
  progress: ({ type, progress, done, total, ...details }) => {
    const percent = typeof progress === "number" ? [percentOf(progress)] : [];
    const share = typeof done === "number" && typeof total === "number" ? [`(${done} of ${total})`] : [];
    const more = Object.keys(details).length > 0 ? [wordsOf(details)] : [];
    return [undefined, [type, ...percent, ...share, ...more].join(" ")];
  },
  output: ({ output }) => [undefined, wordsOf(output ?? null)],
};

function eventOf(data: unknown): [Parameters<Paint>[0] | undefined, string] {
  const { type, ...fields } = (typeof data === "object" && data !== null ? data : {}) as Fields;
  if (typeof type !== "string") return [undefined, wordsOf(data)];
  const format = Object.hasOwn(formats, type) ? formats[type] : undefined;
  if (format !== undefined) return format({ type, ...fields });
  return [undefined, `${type} ${wordsOf(fields)}`];
}

export function percentOf(ratio: number): string {
  return `${Math.floor(ratio * 100 + 1e-9)}%`;
}

/** Returns the result of a completed run, if it has one. */
export function resultOf({ result }: Fields): string[] {
  return result === undefined || result === null ? [] : [wordsOf(result)];
}

/** Returns the name and message of the error that a run failed with. */
export function failureOf({ error }: Fields): string {
  const { name, message } = (error ?? {}) as { name?: unknown; message?: unknown };
  return `${name}: ${message}`;
}

/** Returns who cancelled a run, and why. */
export function cancellerOf({ by, reason }: Fields): string {
  const whom = by === "shutdown" ? "as the server shut down" : `by the ${by === "signal" ? "caller" : by}`;
  return reason === undefined ? whom : `${whom}: ${reason}`;
}
