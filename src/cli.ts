#!/usr/bin/env node
import process from "node:process";
import { styleText } from "node:util";
import { systemClock } from "./base/clock.ts";
import { version } from "./base/version.ts";
import { connect } from "./client/client.ts";
import type { ConnectOptions } from "./client/options.ts";
import { type Paint, unpainted } from "./terminal/cells.ts";
import { type CommandLine, commandOf, type TailCommand, usage } from "./terminal/command.ts";
import { bars, lines, type View } from "./terminal/view.ts";
import { attend, watch } from "./terminal/watch.ts";

const { env, stdout, stderr } = process;
const signals = ["SIGINT", "SIGTERM"] as const;

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
  const stop = new AbortController();
  const { signal } = stop;
  const stopped = (): void => stop.abort();
  // `once`, so that a second signal ends the process at once, which is the default.
  for (const name of signals) process.once(name, stopped);
  // The program that reads the output may end first, as `head` does.
  for (const stream of [stdout, stderr]) stream.on("error", stopped);
  const view = viewOf(command, signal);
  try {
    const { url, token } = command;
    const giveUp = (): void => void client.close();
    const onStatus = attend(url, view, { giveUp, statusOf: (url) => statusOf(url, signal) });
    await using client = connect(url, { signal, token, WebSocket, onStatus });
    return (await watch(client, { ...command, view, signal })) ? 0 : 1;
  } finally {
    view.end();
    for (const name of signals) process.off(name, stopped);
  }
}

function viewOf({ isJson, channels }: TailCommand, signal: AbortSignal): View {
  const isTerminal = stdout.isTTY && env.TERM !== "dumb";
  const paint: Paint = isTerminal && !env.NO_COLOR ? painted : unpainted;
  if (isJson || !isTerminal) return lines({ output: stdout, errors: stderr, signal, isJson, paint });
  const errors = stderr.isTTY ? undefined : stderr;
  return bars({ terminal: stdout, errors, clock: systemClock, channels, paint });
}

function painted(...[style, text]: Parameters<Paint>): string {
  return styleText(style, text);
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
