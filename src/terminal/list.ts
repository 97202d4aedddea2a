import { printable } from "../base/printable.ts";
import type { InspectedBatch, InspectedOwner, Inspection } from "../stores/sqlite/inspect.ts";
import { countOf, sizeOf, spanOf } from "./amounts.ts";
import type { Paint } from "./cells.ts";
import type { DatabaseFile } from "./database-file.ts";
import { print } from "./print.ts";
import type { Progress } from "./progress.ts";
import { ChannelTableView, channelJsonOf } from "./table.ts";

/** What the channels of a log are listed with. */
export interface ListOptions {
  readonly inspection: Inspection;
  readonly output: NodeJS.WritableStream;
  readonly progress: Progress;
  /** Lets other work have its turn. Rejects when the signal aborts. */
  pause(): Promise<void>;
  readonly signal: AbortSignal;
}

/** What a table of channels is drawn with. */
export interface TableOptions extends ListOptions {
  readonly sizes: ReturnType<DatabaseFile["sizes"]>;
  /** In milliseconds since the Unix epoch. */
  readonly now: number;
  /** Returns how many cells a line has. */
  width(): number;
  readonly paint: Paint;
}

/** How many channels are read at once. */
const batch = 500;

/** Prints each channel as a line of JSON. */
export async function listJson(options: ListOptions): Promise<void> {
  const { output, signal, progress } = options;
  for await (const { channels } of batchesOf(options)) {
    if (channels.length === 0) continue;
    await print(output, `${channels.map(channelJsonOf).join("\n")}\n`, signal);
  }
  progress.end();
}

/**
 * Prints a table of all channels and a summary. The channels are read twice, since the widths of all of them must be
 * known before the first is drawn, and there may be too many to keep.
 */
export async function listTable(options: TableOptions): Promise<void> {
  const { inspection, output, signal, progress, now, width, paint, sizes } = options;
  const table = new ChannelTableView(now, paint);
  const sum = { channels: 0, publications: 0, bytes: 0 };
  for await (const { channels } of batchesOf(options)) {
    for (const channel of channels) {
      table.measure(channel);
      sum.channels++;
      sum.publications += channel.publications;
      sum.bytes += channel.bytes;
    }
  }
  progress.end();
  await print(output, `${table.head(width())}\n`, signal);
  for await (const { channels } of batchesOf(options)) {
    if (channels.length === 0) continue;
    await print(output, `${channels.map((channel) => table.row(channel, width())).join("\n")}\n`, signal);
  }
  const counts = `${countOf(sum.channels, "channel")}, ${countOf(sum.publications, "publication")}`;
  const summary = [`${counts}, ${sizeOf(sum.bytes)}; ${sizesOf(sizes)}`, ownerOf(inspection.owner, now)];
  await print(output, summary.map((line) => `${paint("dim", line)}\n`).join(""), signal);
}

async function* batchesOf({ inspection, progress, pause }: ListOptions): AsyncGenerator<InspectedBatch> {
  const total = inspection.rows;
  let [done, after]: [number, string | undefined] = [0, undefined];
  do {
    const found: InspectedBatch = inspection.channels(after, batch);
    yield found;
    done += found.rows;
    progress.at(done, total);
    after = found.next;
    await pause();
  } while (after !== undefined);
}

function sizesOf({ file, wal }: TableOptions["sizes"]): string {
  return `the file has ${sizeOf(file)}${wal > 0 ? `, its -wal ${sizeOf(wal)}` : ""}`;
}

function ownerOf(owner: InspectedOwner | undefined, now: number): string {
  if (owner === undefined) return "No process owns it";
  const { id, since, beat, lease } = owner;
  const silence = now - beat;
  const gone = silence > lease ? ", longer than its lease: it has ended without leaving" : "";
  const when = `since ${new Date(since).toISOString()}, last heard of ${spanOf(silence)} ago`;
  return `Process ${printable(id)} owns it ${when}${gone}`;
}
