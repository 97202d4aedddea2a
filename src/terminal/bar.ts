import { printable } from "../base/printable.ts";
import type { Publication } from "../model/publication.ts";
import { prefix } from "../model/run.ts";
import type { RunStatus } from "../model/run-event.ts";
import { spanOf } from "./amounts.ts";
import { cellsOf, cut, type Paint } from "./cells.ts";
import { cancellerOf, failureOf, percentOf, resultOf } from "./line.ts";

/** The known progress of a run. */
export interface Bar {
  readonly run: string;
  readonly name: string | undefined;
  readonly status: "waiting" | RunStatus;
  /** From 0 to 1. Undefined before any progress was reported. */
  readonly ratio: number | undefined;
  /** The text of the last progress event, or of the ending. */
  readonly words: string;
  /** When the run started, by the server's clock, in milliseconds since the Unix epoch. */
  readonly since: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** The style of each status of a run. */
export const styles: Readonly<Record<Bar["status"], Parameters<Paint>[0]>> = {
  waiting: "dim",
  working: "cyan",
  completed: "green",
  failed: "red",
  cancelled: "yellow",
};
/** The maximum width of a label, in cells. */
const maxLabel = 28;
/** The minimum width of a line that has a bar, in cells. */
const minLine = 50;

/** Returns how a run ended, if this publication is the ending of a run. */
export function endingOf({ channel, data }: Publication): Exclude<RunStatus, "working"> | undefined {
  if (!channel.startsWith(prefix)) return undefined;
  const type = (data as Fields | null)?.type;
  if (type === "run.completed") return "completed";
  if (type === "run.failed") return "failed";
  return type === "run.cancelled" ? "cancelled" : undefined;
}

/** Returns the bar of a run before its first event. */
export function barOf(run: string): Bar {
  return { run, name: undefined, status: "waiting", ratio: undefined, words: "", since: undefined };
}

/** Returns the bar after one more publication. Returns the same object when the publication does not change the bar. */
export function advanced(bar: Bar, publication: Publication): Bar {
  const event = (publication.data ?? {}) as Fields;
  const { time } = publication;
  const status = endingOf(publication);
  if (status !== undefined) {
    const took = bar.since === undefined ? "" : ` after ${spanOf(time - bar.since)}`;
    return { ...bar, ...endedAs(bar, event, took), status };
  }
  if (event.type === "run.started") {
    const name = typeof event.name === "string" && event.name !== "" ? event.name : undefined;
    return { ...bar, status: "working", name, since: time };
  }
  const progress = progressOf(event);
  if (progress !== undefined) return { ...bar, status: "working", ...progress };
  return bar.status === "waiting" ? { ...bar, status: "working" } : bar;
}

function endedAs(bar: Bar, event: Fields, took: string): Pick<Bar, "ratio" | "words"> {
  if (event.type === "run.completed")
    return { ratio: 1, words: [`completed${took}`, ...resultOf(event)].join("  ") };
  const [what, why] =
    event.type === "run.failed" ? ["failed", failureOf(event)] : ["cancelled", cancellerOf(event)];
  return { ratio: bar.ratio, words: `${what}${took}  ${why}` };
}

/** Returns the progress in an event of `tocsin/run` or `tocsin/agent`, or in a similar one, and what is being done. */
function progressOf(event: Fields): Pick<Bar, "ratio" | "words"> | undefined {
  const { progress, progress_percentage: percentage, done, total, message, current_operation } = event;
  const ratio = typeof progress === "number" ? progress : Number(percentage ?? Number.NaN) / 100;
  if (!(ratio >= 0 && ratio <= 1)) return undefined;
  const share = typeof done === "number" && typeof total === "number" ? [`${done}/${total}`] : [];
  const doing = [message, current_operation].filter((each) => typeof each === "string");
  return { ratio, words: [...share, ...doing].join("  ") };
}

/** Draws one line per run, with the bars aligned. Text beyond `width` cells is cut, unless `isWhole`. */
export function barsOf(bars: readonly Bar[], width: number, paint: Paint, isWhole = false): string[] {
  const labels = bars.map((bar) => cut(labelOf(bar, bars), Math.min(maxLabel, Math.floor(width / 2))));
  const room = Math.max(0, ...labels.map(cellsOf));
  const left = width - room - 2;
  const cells = width < minLine ? 0 : Math.min(30, Math.max(10, Math.floor(left / 3)));
  return bars.map((bar, index) => {
    const label = labels[index] ?? "";
    const rest = isWhole ? Infinity : left - (cells > 0 ? cells + 1 : 0);
    return `${label}${" ".repeat(room - cellsOf(label))}  ${drawn(bar, cells, rest, paint)}`;
  });
}

function drawn({ status, ratio, words }: Bar, cells: number, room: number, paint: Paint): string {
  const style = styles[status];
  const percent = ratio === undefined ? "    " : percentOf(ratio).padStart(4);
  const rest = cut(`${percent}  ${printable(words || status)}`, room);
  const text = status === "working" ? rest : paint(style, rest);
  if (cells === 0) return text;
  const full = Math.floor((ratio ?? 0) * cells + 1e-9);
  return `${paint(style, "█".repeat(full))}${paint("dim", "░".repeat(cells - full))} ${text}`;
}

/** Returns the name of a run, followed by the first characters of its id when another run has the same name. */
function labelOf({ run, name }: Bar, bars: readonly Bar[]): string {
  if (name === undefined) return printable(run);
  const isShared = bars.some((other) => other.name === name && other.run !== run);
  return printable(isShared ? `${cut(name, maxLabel - 9)} ${run.slice(0, 8)}` : name);
}
