import { clearLine, clearScreenDown, cursorTo, moveCursor } from "node:readline";
import type { Clock, Timer } from "../base/clock.ts";
import { cellsOf } from "./cells.ts";

/** What is drawn on: less than a `tty.WriteStream`. */
export interface Terminal {
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(text: string): unknown;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/** The lines that stay at the bottom, where each has so many cells, and there is room for so many; without end at the end. */
export type Footer = (width: number, height: number) => readonly string[];

/** Milliseconds from one frame to the next. */
const pace = 50;
/** Lines that wait for the next frame at most. */
const most = 1_000;
// Painted text holds sequences of this form only, since all others have been escaped.
const paints = /\p{Cc}\[[\d;]*m/gu;

/**
 * The bottom of a terminal, which is drawn again in place, and lines that are printed above it.
 *
 * A frame is one write, and overwrites before it clears, so that nothing flickers.
 */
export class Screen {
  readonly #terminal: Terminal;
  readonly #clock: Pick<Clock, "now" | "timer">;
  readonly #footer: Footer;
  /** What waits to be printed. */
  #lines: string[] = [];
  /** How many cells each line takes that stands at the bottom. */
  #drawn: readonly number[] = [];
  #drawnAt = -Infinity;
  #timer: Timer | undefined;
  readonly #resized = (): void => this.refresh();

  constructor(terminal: Terminal, clock: Pick<Clock, "now" | "timer">, footer: Footer) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#footer = footer;
    terminal.on("resize", this.#resized);
  }

  /** Prints a line above the bottom, soon. */
  print(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length < most) this.refresh();
    else this.#draw();
  }

  /** Draws, soon. */
  refresh(): void {
    const due = Math.max(0, this.#drawnAt + pace - this.#clock.now());
    this.#timer ??= this.#clock.timer(due, () => this.#draw());
  }

  /** Draws for the last time, with room for any number of lines, and leaves the cursor below them. */
  end(): void {
    this.#terminal.off("resize", this.#resized);
    this.#draw(Infinity);
  }

  #draw(height: number = Math.max(1, (this.#terminal.rows || 24) - 1)): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#drawnAt = this.#clock.now();
    const columns = this.#terminal.columns || 80;
    // A line that fills the last cell may, or may not, have begun the next one.
    const bottom = this.#footer(columns - 1, height);
    this.#terminal.write(frameOf(this.#rows(columns), this.#lines.splice(0), bottom));
    this.#drawn = bottom.map((line) => cellsOf(line.replace(paints, "")));
  }

  /** How many rows the bottom takes: in a window that became narrower its lines were wrapped. */
  #rows(columns: number): number {
    return this.#drawn.reduce((rows, cells) => rows + Math.max(1, Math.ceil(cells / columns)), 0);
  }
}

function frameOf(rows: number, lines: readonly string[], bottom: readonly string[]): string {
  let frame = "";
  const sink = {
    write(text: string): boolean {
      frame += text;
      return true;
    },
  } as unknown as NodeJS.WritableStream;
  if (rows > 0) moveCursor(sink, 0, -rows);
  cursorTo(sink, 0);
  for (const line of [...lines, ...bottom]) {
    frame += line;
    clearLine(sink, 1);
    frame += "\n";
  }
  clearScreenDown(sink);
  return frame;
}
