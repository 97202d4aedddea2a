import type { Clock } from "../base/clock.ts";
import { countOf } from "./amounts.ts";
import { type Bar, barsOf } from "./bar.ts";
import type { Paint } from "./cells.ts";
import { Screen, type Terminal } from "./screen.ts";
import type { Errors } from "./view.ts";

/** Milliseconds before a bar is drawn. What is quicker needs none. */
const delay = 500;

/** What a progress is shown with. */
export interface ProgressOptions {
  /** What is done, as the label of the bar. */
  readonly name: string;
  /** What is counted. */
  readonly noun: string;
  /** Where the bar is drawn. Undefined: nowhere. */
  readonly terminal: Terminal | undefined;
  /** Where other texts go while there is no bar. */
  readonly errors: Errors;
  readonly clock: Pick<Clock, "now" | "timer">;
  readonly paint: Paint;
}

/** The progress of work that may take long. Its bar is gone when the work is done. */
export class Progress implements Errors {
  readonly #options: ProgressOptions;
  readonly #began: number;
  #bar: Bar;
  #screen: Screen | undefined;
  #isOver = false;

  constructor(options: ProgressOptions) {
    const { name, clock } = options;
    this.#options = options;
    this.#began = clock.now();
    this.#bar = { run: "", name, status: "working", ratio: 0, words: "", since: undefined };
  }

  /** Says how much is done. */
  at(done: number, total: number): void {
    const { terminal, clock, noun, paint } = this.#options;
    if (terminal === undefined || this.#isOver || clock.now() - this.#began < delay) return;
    const ratio = total > 0 ? Math.min(done / total, 1) : 1;
    this.#bar = { ...this.#bar, ratio, words: `${done} of ${countOf(Math.max(done, total), noun)}` };
    this.#screen ??= new Screen(terminal, clock, (width) =>
      this.#isOver ? [] : barsOf([this.#bar], width, paint),
    );
    this.#screen.refresh();
  }

  /** Writes a line of text above the bar. */
  write(text: string): void {
    if (this.#screen === undefined) this.#options.errors.write(text);
    else this.#screen.print(text.replace(/\n$/, ""));
  }

  /** Removes the bar. */
  end(): void {
    this.#isOver = true;
    this.#screen?.end();
    this.#screen = undefined;
  }
}
