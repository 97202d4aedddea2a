#!/usr/bin/env node
import process from "node:process";
import { styleText } from "node:util";
import { systemClock } from "./base/clock.ts";
import { version } from "./base/version.ts";
import { connect } from "./client/client.ts";
import type { ConnectOptions } from "./client/options.ts";
import { type Paint, unpainted } from "./terminal/cells.ts";
import { type CommandLine, commandOf, usage } from "./terminal/command.ts";
import type { LogCommand } from "./terminal/log-command.ts";
import { showLog } from "./terminal/show-log.ts";
import { sqliteDriver } from "./terminal/sqlite-driver.ts";
import type { TailCommand } from "./terminal/tail-command.ts";
import { bars, lines, type View } from "./terminal/view.ts";
import { attend, watch } from "./terminal/watch.ts";

const { env, stdout, stderr } = process;
const signals = ["SIGINT", "SIGTERM"] as const;
const isDumb = env.TERM === "dumb";
const isTerminal = stdout.isTTY && !isDumb;
const paint: Paint = isTerminal && !env.NO_COLOR ? (style, text) => styleText(style, text) : unpainted;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let command: CommandLine;
  try {
    command = commandOf(args, env);
  } catch (error) {
    stderr.write(`${(error as Error).message}\nTry tocsin --help\n`);
    return 2;
  }
  if (command.action === "tail") return tail(command);
  if (command.action === "log") return log(command);
  stdout.write(command.action === "help" ? usage : `${version}\n`);
  return 0;
}

async function tail(command: TailCommand): Promise<number> {
  const WebSocket = await socketClass();
  if (WebSocket === undefined) {
    stderr.write(
      "Cannot connect: this runtime has no WebSocket; use Node 22 or newer, or install ws beside tocsin (npx -p tocsin -p ws tocsin)\n",
    );
    return 1;
  }
  const { signal, release } = stopSignal();
  const view = viewOf(command, signal);
  try {
    const { url, token } = command;
    const giveUp = (): void => void client.close();
    const onStatus = attend(url, view, { giveUp, statusOf: (url) => statusOf(url, signal) });
    await using client = connect(url, { signal, token, WebSocket, onStatus });
    return (await watch(client, { ...command, view, signal })) ? 0 : 1;
  } finally {
    view.end();
    release();
  }
}

async function log(command: LogCommand): Promise<number> {
  const { signal, release } = stopSignal();
  try {
    const isShown = await showLog(command, {
      ...{ driver: sqliteDriver, output: stdout, errors: stderr, clock: systemClock, signal },
      width: () => (stdout.isTTY ? stdout.columns || 80 : Infinity),
      terminal: stderr.isTTY && !isDumb ? stderr : undefined,
      paint,
    });
    return isShown ? 0 : 1;
  } finally {
    release();
  }
}

/** Returns a signal that aborts when the user stops the command, or nobody reads its output any more. */
function stopSignal(): { signal: AbortSignal; release(): void } {
  const stop = new AbortController();
  const stopped = (): void => stop.abort();
  // `once`, so that a second signal ends the process at once, which is the default.
  for (const name of signals) process.once(name, stopped);
  // The program that reads the output may end first, as `head` does.
  for (const stream of [stdout, stderr]) stream.on("error", stopped);
  return {
    signal: stop.signal,
    release() {
      for (const name of signals) process.off(name, stopped);
    },
  };
}

function viewOf({ isJson, channels }: TailCommand, signal: AbortSignal): View {
  if (isJson || !isTerminal) return lines({ output: stdout, errors: stderr, signal, isJson, paint });
  const errors = stderr.isTTY ? undefined : stderr;
  return bars({ terminal: stdout, errors, clock: systemClock, channels, paint });
}

/** Returns the status of the server's response to a plain request, if there is one. */
async function statusOf(url: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { status, body } = await fetch(url.replace(/^ws/, "http"), { signal, redirect: "manual" });
    await body?.cancel();
    return status;
  } catch {
    return undefined;
  }
}

/** Returns the runtime's own class, or that of `ws`; undefined when there is neither. */
async function socketClass(): Promise<ConnectOptions["WebSocket"]> {
  const { WebSocket } = globalThis as Pick<ConnectOptions, "WebSocket">;
  return WebSocket ?? (await import("ws").then((ws) => ws.WebSocket).catch(() => undefined));
}
