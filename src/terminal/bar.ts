import { printable } from "../base/printable.ts";
import type { Publication } from "../model/publication.ts";
import type { RunStatus } from "../model/run-event.ts";
import { cellsOf, cut, type Paint } from "./cells.ts";
import { prefix } from "./command.ts";
import { cancellerOf, failureOf, percentOf, resultOf } from "./line.ts";

/** How far a run has come, as far as it is known. */
export interface Bar {
  readonly run: string;
  readonly name: string | undefined;
  readonly status: "waiting" | RunStatus;
  /** From 0 to 1; undefined before it said anything. */
  readonly ratio: number | undefined;
  /** What it said of its progress, or what its ending says. */
  readonly words: string;
  /** When it began, on the server's clock. */
  readonly since: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

const styles: Record<Bar["status"], Parameters<Paint>[0]> = {
  waiting: "dim",
  working: "cyan",
  completed: "green",
  failed: "red",
  cancelled: "yellow",
};
/** Cells of the longest name, and of the shortest line that still has a bar. */
const longest = 28;
const shortest = 50;

/** How the run of a channel ended; undefined where this is not its ending. */
export function endingOf({ channel, data }: Publication): Exclude<RunStatus, "working"> | undefined {
  if (!channel.startsWith(prefix)) return undefined;
  const type = (data as Fields | null)?.type;
  if (type === "run.completed") return "completed";
  if (type === "run.failed") return "failed";
  return type === "run.cancelled" ? "cancelled" : undefined;
}

/** The bar of a run that nothing was heard of. */
export function barOf(run: string): Bar {
  return { run, name: undefined, status: "waiting", ratio: undefined, words: "", since: undefined };
}

/** The bar after one more publication; the same one where that says nothing of its progress. */
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

/** What an event says of the progress, and of what is being done: those of `tocsin/run` and `tocsin/agent`, and the like. */
function progressOf(event: Fields): Pick<Bar, "ratio" | "words"> | undefined {
  const { progress, progress_percentage: percentage, done, total, message, current_operation } = event;
  const ratio = typeof progress === "number" ? progress : Number(percentage ?? Number.NaN) / 100;
  if (!(ratio >= 0 && ratio <= 1)) return undefined;
  const share = typeof done === "number" && typeof total === "number" ? [`${done}/${total}`] : [];
  const doing = [message, current_operation].filter((each) => typeof each === "string");
  return { ratio, words: [...share, ...doing].join("  ") };
}

/** Draws runs, a line each, with their bars one below the other. What takes more cells than `width` is cut, unless `isWhole`. */
export function barsOf(bars: readonly Bar[], width: number, paint: Paint, isWhole = false): string[] {
  const labels = bars.map((bar) => cut(labelOf(bar, bars), Math.min(longest, Math.floor(width / 2))));
  const room = Math.max(0, ...labels.map(cellsOf));
  const left = width - room - 2;
  const cells = width < shortest ? 0 : Math.min(30, Math.max(10, Math.floor(left / 3)));
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

/** The name of a run, with the beginning of its id where others have the same. */
function labelOf({ run, name }: Bar, bars: readonly Bar[]): string {
  if (name === undefined) return printable(run);
  const isShared = bars.some((other) => other.name === name && other.run !== run);
  return printable(isShared ? `${cut(name, longest - 9)} ${run.slice(0, 8)}` : name);
}

/** Milliseconds, as people say it. */
function spanOf(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
