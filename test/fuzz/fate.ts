import { methods } from "../../src/wire/protocol.ts";
import { isObject } from "../support/wire-shapes.ts";

/** What has to become of a message, as `protocol.md` has it. */
export interface Fate {
  /** The code that the session is closed with, if it is. */
  close: number | undefined;
  /** Runs that it cancels, unless a refused connect comes first. */
  cancels: string[];
}

/** Who sends it, and when. */
export interface Sender {
  user: string;
  /** Whether a connect has been seen before. */
  greeted: boolean;
  /** Whether it has a token that can be refreshed. */
  refreshes: boolean;
}

type Command = Readonly<Record<string, unknown>>;

const badRequest = 3501;

/** Reads a message as the protocol wants it read, beside the code that does so. No ping is outstanding. */
export function fateOf(message: string | Uint8Array, sender: Sender): Fate {
  const closes = (close: number): Fate => ({ close, cancels: [] });
  if (typeof message !== "string") return closes(badRequest);
  if (new TextEncoder().encode(message).length > 65_536) return closes(1009);
  const commands: Command[] = [];
  for (const line of message.split("\n")) {
    if (line.trim() === "") continue;
    const command = read(line);
    if (command === undefined) return closes(badRequest);
    commands.push(command);
  }
  if (commands.length === 0) return closes(badRequest);
  // Whoever has connected is answered some commands before all others, and before what ends the session.
  const cancels = sender.greeted ? cancelledIn(commands, sender) : [];
  if (commands.some(isPong)) return { close: badRequest, cancels };
  const waiting = commands.filter((command) => !sender.greeted || !isAtOnce(command));
  if (waiting.filter((command) => methodOf(command) !== "publish").length > 2_000)
    return { close: 3013, cancels };
  const fate = walk(commands, sender);
  return sender.greeted ? { ...fate, cancels } : fate;
}

/** What is cancelled ahead of a pong that nobody has asked for. */
function cancelledIn(commands: readonly Command[], { user }: Sender): string[] {
  const bad = commands.findIndex(isPong);
  const runs = commands.slice(0, bad < 0 ? commands.length : bad).map((command) => {
    const params = methodOf(command) === "rpc" ? command.rpc : undefined;
    return isObject(params) ? cancelled(params) : undefined;
  });
  return runs.filter((run): run is string => run !== undefined && owners[run] === user);
}

function isAtOnce(command: Command): boolean {
  if (isWord(command) || methodOf(command) === "ping") return true;
  const { rpc } = command;
  const method = methodOf(command) === "rpc" && isObject(rpc) ? rpc.method : undefined;
  return method === "ack" || method === "run.cancel";
}

/** Takes the commands one after the other, until one ends the session. */
function walk(commands: readonly Command[], { user, greeted, refreshes }: Sender): Fate {
  const cancels: string[] = [];
  let seen = greeted;
  for (const command of commands) {
    const method = methodOf(command);
    if ((method === "connect") === seen) return { close: badRequest, cancels };
    seen = true;
    const params = method === undefined ? undefined : command[method];
    if (!isObject(params)) continue;
    const token = method === "refresh" && refreshes ? params.token : undefined;
    if (token === "bad") return { close: 3500, cancels };
    if (token === "late") return { close: 3005, cancels };
    const run = method === "rpc" ? cancelled(params) : undefined;
    if (run !== undefined && owners[run] === user) cancels.push(run);
  }
  return { close: undefined, cancels };
}

/** Runs that work, and whose they are. */
export const owners: Readonly<Record<string, string>> = { open: "bob", owned: "ann" };

function cancelled({ method, data }: Command): string | undefined {
  if (method !== "run.cancel" || !isObject(data)) return undefined;
  const { run, reason } = data;
  const isFine = typeof run === "string" && (reason === undefined || typeof reason === "string");
  return isFine && Object.hasOwn(owners, run) ? run : undefined;
}

/** A command of an envelope that is one, by which a session lives on. */
function read(line: string): Command | undefined {
  let command: unknown;
  try {
    command = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(command)) return undefined;
  return isDeeper(command, 64) ? judged(unseen(command)) : judged(command);
}

/** A command whose parameters are nobody's business: they are not looked at. */
function unseen(command: Command): Command {
  const names = Object.keys(command).map((name) => [name, name === "id" ? command.id : null]);
  return Object.fromEntries(names) as Command;
}

function judged(command: Command): Command | undefined {
  if (isPong(command) || isSend(command)) return command;
  const { id } = command;
  return typeof id === "number" && Number.isSafeInteger(id) && id > 0 ? command : undefined;
}

/** Whether arrays and objects are in each other deeper than so many levels. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1));
}

function isPong(command: Command): boolean {
  return Object.keys(command).length === 0;
}

function present(command: Command): (typeof methods)[number][] {
  return methods.filter((method) => Object.hasOwn(command, method));
}

function isSend(command: Command): boolean {
  return Object.hasOwn(command, "send") && !Object.hasOwn(command, "id") && present(command).length === 0;
}

/** Whether a command is a client's word on what it has, which waits for nothing. */
function isWord(command: Command): boolean {
  if (!isSend(command) || !isObject(command.send)) return false;
  const { data } = command.send;
  return isObject(data) && isObject(data.ack);
}

/** The one method of a command, if it has one. */
function methodOf(command: Command): (typeof methods)[number] | undefined {
  const [method, ...others] = present(command);
  return others.length > 0 || Object.hasOwn(command, "send") ? undefined : method;
}
