import { type StoredRun, storedIn } from "../engine/runs/run-state.ts";
import { prefix } from "../model/run.ts";
import type { InspectedChannel } from "../stores/sqlite/inspect.ts";
import { sizeOf, spanOf } from "./amounts.ts";
import { styles } from "./bar.ts";
import { cellsOf, cut, type Paint, printable } from "./cells.ts";

/** The columns. The last ones are cut first where the terminal is narrow. */
const columns: readonly { readonly title: string; readonly isNumber?: boolean }[] = [
  { title: "channel" },
  { title: "kept", isNumber: true },
  { title: "bytes", isNumber: true },
  { title: "first", isNumber: true },
  { title: "top", isNumber: true },
  { title: "newest", isNumber: true },
  { title: "sealed" },
  { title: "run" },
  { title: "epoch" },
];
const gap = "  ";
/** The minimum width of the names of channels, in cells, and the maximum of those of runs. */
const names = { channel: 16, run: 24 };

/** A table of channels. All of them are measured before the first one is drawn. */
export class ChannelTableView {
  readonly #now: number;
  readonly #paint: Paint;
  readonly #widths: number[] = columns.map(({ title }) => title.length);

  /** `now`: in milliseconds since the Unix epoch. Ages count from it. */
  constructor(now: number, paint: Paint) {
    this.#now = now;
    this.#paint = paint;
  }

  measure(channel: InspectedChannel): void {
    for (const [at, cell] of this.#cells(channel).entries())
      this.#widths[at] = Math.max(this.#widths[at] as number, cellsOf(cell));
  }

  /** Draws the titles. Text beyond `width` cells is cut. */
  head(width: number): string {
    return this.#paint(
      "dim",
      this.#padded(
        columns.map(({ title }) => title),
        width,
      )
        .join(gap)
        .trimEnd(),
    );
  }

  /** Draws a channel. Text beyond `width` cells is cut. */
  row(channel: InspectedChannel, width: number): string {
    const padded = this.#padded(this.#cells(channel), width);
    const run = runOf(channel);
    const painted = padded.map((cell, at) => {
      if (at === 0) return this.#paint("bold", cell);
      return columns[at]?.title === "run" && run !== undefined ? this.#paint(styles[run.status], cell) : cell;
    });
    return painted.join(gap).trimEnd();
  }

  /** Fills the cells of a row to the widths of their columns, and cuts them to `width` in all. */
  #padded(cells: readonly string[], width: number): string[] {
    let left = width;
    const padded: string[] = [];
    for (const [at, cell] of cells.entries()) {
      const own = at === 0 ? this.#nameWidth(width) : (this.#widths[at] as number);
      if (at > 0) left -= gap.length;
      const text = cut(cell, Math.max(0, Math.min(own, left)));
      const space = " ".repeat(Math.max(0, Math.min(own, left) - cellsOf(text)));
      if (left > 0) padded.push(columns[at]?.isNumber === true ? space + text : text + space);
      left -= own;
    }
    return padded;
  }

  /** Names are cut so that the other columns have room, but not to less than can be told apart. */
  #nameWidth(width: number): number {
    const [name = 0, ...others] = this.#widths;
    const taken = others.reduce((sum, own) => sum + gap.length + own, 0);
    return Math.min(name, Math.max(width - taken, names.channel));
  }

  #cells(channel: InspectedChannel): string[] {
    const { publications, bytes, first, top, newest, sealed, epoch } = channel;
    const run = runOf(channel);
    const name = run?.name === undefined ? [] : [cut(printable(run.name), names.run)];
    return [
      printable(channel.channel),
      ...[`${publications}`, sizeOf(bytes), `${first}`, `${top}`, spanOf(this.#now - newest)],
      ...[sealed ? "yes" : "no", run === undefined ? "" : [run.status, ...name].join(" "), printable(epoch)],
    ];
  }
}

/** Formats a channel as one line of JSON. */
export function channelJsonOf(channel: InspectedChannel): string {
  const { state, ...shown } = channel;
  const run = runOf(channel);
  const { status, name, owner, started, ended } = run ?? {};
  const more = run === undefined ? { state } : { run: { status, name, owner, started, ended } };
  return printable(JSON.stringify({ ...shown, ...more }));
}

/** Returns what a run's channel says of its run. */
function runOf({ channel, state }: InspectedChannel): StoredRun | undefined {
  return channel.startsWith(prefix) ? storedIn(state) : undefined;
}
