import { Writable } from "node:stream";
import { stateOf } from "../../src/engine/runs/run-state.ts";
import type { SqliteLog, SqliteLogOptions } from "../../src/sqlite.ts";
import { sqliteLog } from "../../src/sqlite.ts";
import { unpainted } from "../../src/terminal/cells.ts";
import type { LogCommand } from "../../src/terminal/log-command.ts";
import { type ShowLogOptions, showLog } from "../../src/terminal/show-log.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { driver, open, temporaryPath } from "./sqlite.ts";

/** A log in a file, as the process that owns it has it. */
export interface LogFile {
  readonly path: string;
  readonly clock: FakeClock;
  readonly log: SqliteLog;
  /** Appends a payload and commits. */
  add(channel: string, data: unknown, options?: Partial<Parameters<SqliteLog["append"]>[2]>): void;
}

/** Creates a log in a file. Its lease is so long that time can pass quickly. */
export function logFile(options: Partial<SqliteLogOptions> = {}): LogFile {
  const [path, clock] = [temporaryPath(), fakeClock()];
  const log = sqliteLog({ database: open(path), clock, lease: 86_400_000, ...options });
  return {
    path,
    clock,
    log,
    add(channel, data, more) {
      log.append(channel, JSON.stringify(data), { time: clock.time(), ...more });
      log.commit();
    },
  };
}

/** Returns what the channel of a run says of it. */
export function runState(run: string, status: "working" | "completed", started: number): string {
  const unknown = { announced: undefined, asksToCancel: false, node: undefined, ended: undefined };
  return stateOf({ run, name: `Run ${run}`, owner: "ann", status, started, ...unknown });
}

/** What `tocsin log` has written. */
export interface Written {
  output: string;
  errors: string;
  /** Whether the file could be read. Undefined: the command goes on. */
  result: boolean | undefined;
  /** Stops the command, as Ctrl-C does. */
  stop(): void;
}

/** Begins to show a log. It goes on while the clock advances. */
export function begin(
  { path, clock }: Pick<LogFile, "path" | "clock">,
  command: Partial<LogCommand> = {},
  options: Partial<ShowLogOptions> = {},
): Written {
  if (typeof driver === "string") throw new Error(driver);
  const { open } = driver;
  const stop = new AbortController();
  const written: Written = { output: "", errors: "", result: undefined, stop: () => stop.abort() };
  const output = new Writable({
    write(chunk, _, done) {
      written.output += chunk;
      done();
    },
  });
  const errors = {
    write(text: string) {
      written.errors += text;
    },
  };
  const [nothing, { signal }] = [{ channel: undefined, isFollowing: false, isJson: false }, stop];
  const shown = showLog(
    { action: "log", file: path, from: "start", ...nothing, ...command },
    {
      ...{ output, errors, clock, signal, width: () => Infinity, terminal: undefined, paint: unpainted },
      driver: async () => (file) => open(file, true),
      ...options,
    },
  );
  void shown.then((result) => {
    written.result = result;
  });
  return written;
}

/** Shows a log to its end. */
export async function ended(...args: Parameters<typeof begin>): Promise<Written> {
  const written = begin(...args);
  await args[0].clock.advance(100);
  return written;
}
