import type { Clock } from "../base/clock.ts";
import { printable } from "../base/printable.ts";
import type { Publication } from "../model/publication.ts";
import { prefix } from "../model/run.ts";
import { advanced, type Bar, barOf, barsOf } from "./bar.ts";
import { type Paint, unpainted } from "./cells.ts";
import { jsonOf, lineOf } from "./line.ts";
import { print } from "./print.ts";
import { Screen, type Terminal } from "./screen.ts";

/** Shows what is followed. */
export interface View {
  /** Shows a publication. Resolves once the output can take another. */
  show(publication: Publication): Promise<void>;
  /** Shows why a channel or run is no longer followed. */
  refused(channel: string, why: string): void;
  /** Shows a note. */
  note(text: string): void;
  /** Shows an error. */
  error(text: string): void;
  /** Shows what has not been shown yet. */
  end(): void;
}

/** The stream for everything but publications. */
export type Errors = { write(text: string): unknown };

/** The options of a view that prints lines. */
export interface LinesOptions {
  /** The stream for publications. */
  readonly output: NodeJS.WritableStream;
  readonly errors: Errors;
  /** Stops waiting for `output` to drain when it aborts. */
  readonly signal: AbortSignal;
  readonly isJson: boolean;
  /** Default: no styles. */
  readonly paint?: Paint | undefined;
}

/** The options of a view that draws bars. */
export interface BarsOptions {
  readonly terminal: Terminal;
  /** The stream for notes and errors. If undefined, they are printed on the terminal, above the bars. */
  readonly errors: Errors | undefined;
  readonly clock: Pick<Clock, "now" | "timer">;
  readonly channels: readonly string[];
  readonly paint: Paint;
}

/** Creates a view that prints each publication as a line. */
export function lines({ output, errors, signal, isJson, paint = unpainted }: LinesOptions): View {
  const tell = (text: string): void => void errors.write(`${printable(text)}\n`);
  return {
    show: (publication) =>
      print(output, `${isJson ? jsonOf(publication) : lineOf(publication, paint)}\n`, signal),
    refused: (_, why) => tell(why),
    note: tell,
    error: tell,
    end: () => {},
  };
}

/** Creates a view that draws a bar for each run, and prints all other publications as lines above the bars. */
export function bars({ terminal, errors, clock, channels, paint }: BarsOptions): View {
  const barByChannel = new Map<string, Bar>();
  for (const channel of channels)
    if (channel.startsWith(prefix)) barByChannel.set(channel, barOf(channel.slice(prefix.length)));
  const screen = new Screen(terminal, clock, (width, height) =>
    fitted([...barByChannel.values()], width, height, paint),
  );
  const tell = (style: "dim" | "red", text: string): void => {
    if (errors === undefined) screen.print(paint(style, printable(text)));
    else errors.write(`${printable(text)}\n`);
  };
  screen.refresh();
  return {
    async show(publication) {
      const { channel } = publication;
      const bar = barByChannel.get(channel);
      const next = bar && advanced(bar, publication);
      if (next !== undefined) barByChannel.set(channel, next);
      if (next === undefined || !isOfBars(publication)) screen.print(lineOf(publication, paint));
      else screen.refresh();
    },
    refused(channel, why) {
      barByChannel.delete(channel);
      tell("red", why);
      screen.refresh();
    },
    note: (text) => tell("dim", text),
    error: (text) => tell("red", text),
    end: () => screen.end(),
  };
}

/** Returns whether a bar shows everything in a run's event. */
function isOfBars({ data }: Publication): boolean {
  const { type } = (data ?? {}) as { type?: unknown };
  return type === "progress" || /^run\.(started|completed|failed|cancelled)$/.test(String(type));
}

/** Returns the lines of as many runs as fit, in the order of `all`. Runs that have ended are left out first. */
function fitted(all: readonly Bar[], width: number, height: number, paint: Paint): string[] {
  // The lines of the last frame may wrap, because nothing is drawn over them.
  if (all.length <= height) return barsOf(all, width, paint, height === Infinity);
  const isOver = ({ status }: Bar): boolean => status !== "working" && status !== "waiting";
  const first = [...all.filter((bar) => !isOver(bar)), ...all.filter(isOver)].slice(0, height - 1);
  const kept = all.filter((bar) => first.includes(bar));
  return [...barsOf(kept, width, paint), paint("dim", `… and ${all.length - kept.length} more`)];
}
