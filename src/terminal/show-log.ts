import type { Clock } from "../base/clock.ts";
import { printable } from "../base/printable.ts";
import { Scope } from "../base/scope.ts";
import { type Inspection, inspect } from "../stores/sqlite/inspect.ts";
import type { Paint } from "./cells.ts";
import { type DatabaseFile, openFile, readingError } from "./database-file.ts";
import { type ListOptions, listJson, listTable } from "./list.ts";
import type { LogCommand } from "./log-command.ts";
import { Progress } from "./progress.ts";
import { readChannel } from "./read.ts";
import type { Terminal } from "./screen.ts";
import type { OpenReadOnly } from "./sqlite-driver.ts";
import { type Errors, lines } from "./view.ts";

/** Where a log is shown. */
export interface ShowLogOptions {
  /** Returns the driver of SQLite. */
  driver(): Promise<OpenReadOnly>;
  readonly output: NodeJS.WritableStream;
  /** Returns how many cells a line of the output has. Infinity: it is no terminal, and nothing is cut. */
  width(): number;
  readonly errors: Errors;
  /** Where a progress bar may be drawn. Undefined: nowhere. */
  readonly terminal: Terminal | undefined;
  readonly clock: Clock;
  /** Aborts when the user stops the command. */
  readonly signal: AbortSignal;
  readonly paint: Paint;
}

/** Shows what the file of a log holds. Returns whether it could be read. What is wrong is written to `errors`. */
export async function showLog(command: LogCommand, options: ShowLogOptions): Promise<boolean> {
  const { errors, signal, driver } = options;
  let opened: DatabaseFile | undefined;
  let inspection: Inspection | undefined;
  try {
    opened = openFile(command.file, await driver());
    inspection = inspect(opened.database);
    await show(command, opened, inspection, options);
    return true;
  } catch (error) {
    if (signal.aborted) return true;
    errors.write(`${printable(readingError(command.file, error))}\n`);
    return false;
  } finally {
    inspection?.release();
    opened?.close();
  }
}

async function show(
  { file, channel, from, isFollowing, isJson }: LogCommand,
  { sizes, isReplaced }: DatabaseFile,
  inspection: Inspection,
  { output, width, errors, terminal, clock, signal, paint }: ShowLogOptions,
): Promise<void> {
  const isTable = channel === undefined && !isJson;
  // While lines are printed on the same terminal, a bar would be drawn between them. They show the progress themselves.
  const isFree = isTable || width() === Infinity;
  const progress = new Progress({
    ...{ name: "Reading", noun: channel === undefined ? "channel" : "publication", errors, clock, paint },
    terminal: isFree ? terminal : undefined,
  });
  const scope = new Scope(clock, (error) => {
    throw error;
  });
  const pause = (ms = 0): Promise<void> => scope.sleep("tocsin log", ms, signal);
  try {
    const listed: ListOptions = { inspection, output, progress, pause, signal };
    if (isTable) await listTable({ ...listed, sizes: sizes(), now: clock.time(), width, paint });
    else if (channel === undefined) await listJson(listed);
    else {
      const view = lines({ output, errors: progress, signal, isJson, paint });
      await readChannel({ inspection, file, channel, from, isFollowing, view, progress, isReplaced, pause });
    }
  } finally {
    progress.end();
    scope.end();
  }
}
