import { once } from "node:events";
import type { Clock } from "../base/clock.ts";
import { printable } from "../base/printable.ts";
import type { Publication } from "../model/publication.ts";
import { advanced, type Bar, barOf, barsOf } from "./bar.ts";
import { type Paint, unpainted } from "./cells.ts";
import { prefix } from "./command.ts";
import { jsonOf, lineOf } from "./line.ts";
import { Screen, type Terminal } from "./screen.ts";

/** How what is followed is shown. */
export interface View {
  /** Shows a publication. Resolves once there is room for another. */
  show(publication: Publication): Promise<void>;
  /** Says that a channel or run is followed no longer, and why. */
  refused(channel: string, why: string): void;
  /** Says what somebody who watches wants to know. */
  note(text: string): void;
  /** Says what went wrong. */
  error(text: string): void;
  /** Shows what is still to be shown. */
  end(): void;
}

/** Where all goes that is no publication. */
export type Errors = { write(text: string): unknown };

/** What a view needs to print lines. */
export interface LinesOptions {
  /** Where lines go. */
  readonly output: NodeJS.WritableStream;
  readonly errors: Errors;
  /** Ends waiting for room. */
  readonly signal: AbortSignal;
  readonly isJson: boolean;
  /** Default: nothing is set off. */
  readonly paint?: Paint | undefined;
}

/** What a view needs to draw bars. */
export interface BarsOptions {
  readonly terminal: Terminal;
  /** Says what is not drawn; undefined where that is to be seen on the terminal as well. */
  readonly errors: Errors | undefined;
  readonly clock: Pick<Clock, "now" | "timer">;
  readonly channels: readonly string[];
  readonly paint: Paint;
}

/** Shows each publication as a line of its own. */
export function lines({ output, errors, signal, isJson, paint = unpainted }: LinesOptions): View {
  const say = (text: string): void => void errors.write(`${printable(text)}\n`);
  return {
    async show(publication) {
      const line = isJson ? jsonOf(publication) : lineOf(publication, paint);
      if (!output.write(`${line}\n`)) await once(output, "drain", { signal });
    },
    refused: (_, why) => say(why),
    note: say,
    error: say,
    end: () => {},
  };
}

/** Shows a bar for each run, and other publications as lines above them. */
export function bars({ terminal, errors, clock, channels, paint }: BarsOptions): View {
  const shown = new Map<string, Bar>();
  for (const channel of channels)
    if (channel.startsWith(prefix)) shown.set(channel, barOf(channel.slice(prefix.length)));
  const screen = new Screen(terminal, clock, (width, height) =>
    fitted([...shown.values()], width, height, paint),
  );
  const say = (style: "dim" | "red", text: string): void => {
    if (errors === undefined) screen.print(paint(style, printable(text)));
    else errors.write(`${printable(text)}\n`);
  };
  screen.refresh();
  return {
    async show(publication) {
      const { channel } = publication;
      const bar = shown.get(channel);
      const next = bar && advanced(bar, publication);
      if (next !== undefined) shown.set(channel, next);
      if (next === undefined || !isOfBars(publication)) screen.print(lineOf(publication, paint));
      else screen.refresh();
    },
    refused(channel, why) {
      shown.delete(channel);
      say("red", why);
      screen.refresh();
    },
    note: (text) => say("dim", text),
    error: (text) => say("red", text),
    end: () => screen.end(),
  };
}

/** Whether a bar shows all that a run's event says. */
function isOfBars({ data }: Publication): boolean {
  const { type } = (data ?? {}) as { type?: unknown };
  return type === "progress" || /^run\.(started|completed|failed|cancelled)$/.test(String(type));
}

/** As many runs as there is room for: those that work first, in the order in which they were named. */
function fitted(all: readonly Bar[], width: number, height: number, paint: Paint): string[] {
  // What is drawn last may be wrapped, since nothing is to be drawn over it.
  if (all.length <= height) return barsOf(all, width, paint, height === Infinity);
  const isOver = ({ status }: Bar): boolean => status !== "working" && status !== "waiting";
  const first = [...all.filter((bar) => !isOver(bar)), ...all.filter(isOver)].slice(0, height - 1);
  const kept = all.filter((bar) => first.includes(bar));
  return [...barsOf(kept, width, paint), paint("dim", `… and ${all.length - kept.length} more`)];
}
