import { methods } from "../../src/wire/protocol.ts";
import { isObject } from "../support/wire-shapes.ts";

/** The effect that a message must have, according to `protocol.md`. */
export interface Fate {
  /** The code with which the session is closed. Undefined: it stays open. */
  close: number | undefined;
  /** The ids of the runs that the message cancels, unless a connect was refused before. */
  cancels: string[];
}

/** The sender of a message, and the state of its session. */
export interface Sender {
  user: string;
  /** Whether a connect was sent before. */
  greeted: boolean;
  /** Whether the sender has a token that can be refreshed. */
  refreshes: boolean;
}

type Command = Readonly<Record<string, unknown>>;

const badRequest = 3501;

/**
 * Returns the required effect of a message. This is independent of the code in `src`. It assumes that no ping is
 * outstanding.
 */
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
  // After a connect, some commands take effect before all others, even before one that closes the session.
  const cancels = sender.greeted ? cancelledIn(commands, sender) : [];
  if (commands.some(isPong)) return { close: badRequest, cancels };
  const waiting = commands.filter((command) => !sender.greeted || !isAtOnce(command));
  if (waiting.filter((command) => methodOf(command) !== "publish").length > 2_000)
    return { close: 3013, cancels };
  const fate = walk(commands, sender);
  return sender.greeted ? { ...fate, cancels } : fate;
}

/** Returns the runs that are cancelled by the commands before the first unexpected pong. */
function cancelledIn(commands: readonly Command[], { user }: Sender): string[] {
  const bad = commands.findIndex(isPong);
  const runs = commands.slice(0, bad < 0 ? commands.length : bad).map((command) => {
    const params = methodOf(command) === "rpc" ? command.rpc : undefined;
    return isObject(params) ? cancelled(params) : undefined;
  });
  return runs.filter((run): run is string => run !== undefined && owners[run] === user);
}

function isAtOnce(command: Command): boolean {
  if (isAcknowledgement(command) || methodOf(command) === "ping") return true;
  const { rpc } = command;
  const method = methodOf(command) === "rpc" && isObject(rpc) ? rpc.method : undefined;
  return method === "ack" || method === "run.cancel";
}

/** Applies the commands one after the other, until one closes the session. */
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

/** The owners of the running runs, by the id of the run. */
export const owners: Readonly<Record<string, string>> = { open: "bob", owned: "ann" };

function cancelled({ method, data }: Command): string | undefined {
  if (method !== "run.cancel" || !isObject(data)) return undefined;
  const { run, reason } = data;
  const isFine = typeof run === "string" && (reason === undefined || typeof reason === "string");
  return isFine && Object.hasOwn(owners, run) ? run : undefined;
}

/** Parses a line. Returns undefined if its envelope is invalid, which closes the session. */
function read(line: string): Command | undefined {
  let command: unknown;
  try {
    command = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(command)) return undefined;
  return isDeeper(command, 64) ? checked(withoutParams(command)) : checked(command);
}

/**
 * Returns the command with all parameters replaced by null: those of a command that is nested too deeply are not read.
 */
function withoutParams(command: Command): Command {
  const names = Object.keys(command).map((name) => [name, name === "id" ? command.id : null]);
  return Object.fromEntries(names) as Command;
}

function checked(command: Command): Command | undefined {
  if (isPong(command) || isSend(command)) return command;
  const { id } = command;
  return typeof id === "number" && Number.isSafeInteger(id) && id > 0 ? command : undefined;
}

/** Returns whether arrays and objects are nested deeper than `levels`. */
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

/** Returns whether a command is an acknowledgement in a `send`, which is handled at once. */
function isAcknowledgement(command: Command): boolean {
  if (!isSend(command) || !isObject(command.send)) return false;
  const { data } = command.send;
  return isObject(data) && isObject(data.ack);
}

/** Returns the method of a command. Returns undefined if it has none or several. */
function methodOf(command: Command): (typeof methods)[number] | undefined {
  const [method, ...others] = present(command);
  return others.length > 0 || Object.hasOwn(command, "send") ? undefined : method;
}
