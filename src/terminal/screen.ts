import { clearLine, clearScreenDown, cursorTo, moveCursor } from "node:readline";
import type { Clock, Timer } from "../base/clock.ts";
import { cellsOf } from "./cells.ts";

/** The part of a `tty.WriteStream` that a screen uses. */
export interface Terminal {
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(text: string): unknown;
  on(event: "resize", listener: () => void): unknown;
  off(event: "resize", listener: () => void): unknown;
}

/**
 * Returns the lines of the footer: at most `height` lines, `width` cells wide. In the last frame `height` is
 * Infinity.
 */
export type Footer = (width: number, height: number) => readonly string[];

/** Milliseconds between two frames. */
const frameInterval = 50;
/** The maximum number of lines that wait for the next frame. */
const maxLines = 1_000;
// Painted text contains control sequences of this form only. All others were escaped.
const styleSequences = /\p{Cc}\[[\d;]*m/gu;

/**
 * Keeps a footer at the bottom of a terminal, redraws it in place, and prints lines above it.
 *
 * A frame is one write, and overwrites text before it clears the rest, to avoid flicker.
 */
export class Screen {
  readonly #terminal: Terminal;
  readonly #clock: Pick<Clock, "now" | "timer">;
  readonly #footer: Footer;
  /** The lines that wait for the next frame. */
  #lines: string[] = [];
  /** The width of each footer line on the terminal, in cells. */
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

  /** Prints a line above the footer, in the next frame. */
  print(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length < maxLines) this.refresh();
    else this.#draw();
  }

  /** Draws the footer, in the next frame. */
  refresh(): void {
    const due = Math.max(0, this.#drawnAt + frameInterval - this.#clock.now());
    this.#timer ??= this.#clock.timer(due, () => this.#draw());
  }

  /** Draws the last frame, with any number of footer lines, and leaves the cursor below them. */
  end(): void {
    this.#terminal.off("resize", this.#resized);
    this.#draw(Infinity);
  }

  #draw(height: number = Math.max(1, (this.#terminal.rows || 24) - 1)): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#drawnAt = this.#clock.now();
    const columns = this.#terminal.columns || 80;
    // Some terminals start a new line when the last cell is filled, and others do not: so it stays empty.
    const footer = this.#footer(columns - 1, height);
    this.#terminal.write(frameOf(this.#rows(columns), this.#lines.splice(0), footer));
    this.#drawn = footer.map((line) => cellsOf(line.replace(styleSequences, "")));
  }

  /** Returns how many rows the footer takes. If the window became narrower, the terminal has wrapped its lines. */
  #rows(columns: number): number {
    return this.#drawn.reduce((rows, cells) => rows + Math.max(1, Math.ceil(cells / columns)), 0);
  }
}

function frameOf(rows: number, lines: readonly string[], footer: readonly string[]): string {
  let frame = "";
  const sink = {
    write(text: string): boolean {
      frame += text;
      return true;
    },
  } as unknown as NodeJS.WritableStream;
  if (rows > 0) moveCursor(sink, 0, -rows);
  cursorTo(sink, 0);
  for (const line of [...lines, ...footer]) {
    frame += line;
    clearLine(sink, 1);
    frame += "\n";
  }
  clearScreenDown(sink);
  return frame;
}
