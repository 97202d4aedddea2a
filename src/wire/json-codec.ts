import { isObject } from "../base/check.ts";
import { type Codec, type Command, type Method, methods, type Published, type PushKind } from "./protocol.ts";
/** The protocol's JSON encoding. */
export const jsonCodec: Codec = {
  subprotocol: "centrifuge-json",
  separator: "\n",
  ping: "{}",
  decode: decodeFrame,
  reply: (id, method, result) => `{"id":${id},"${method}":${result}}`,
  error: (id, error) => `{"id":${id},"error":${JSON.stringify(error)}}`,
  push: (channel, kind, body) => `${pushHead(channel, kind)}${body}}}`,
  pushHead,
  pushTail: "}}",
  publication: encodePublication,
  clientInfo({ user, client, info }) {
    const rest = info === undefined ? "" : `,"conn_info":${info}`;
    return `{"user":${JSON.stringify(user)},"client":${JSON.stringify(client)}${rest}}`;
  },
};

function pushHead(channel: string, kind: PushKind): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"${kind}":`;
}

function encodePublication({ offset, data, time, tags }: Published): string {
  const end = tags === undefined ? "}" : `,"tags":${JSON.stringify(tags)}}`;
  return `{"data":${data},"offset":${offset}${timeOf(time)}${end}`;
}

let written = Number.NaN;
let text = "";

/** Many publications have the same time, and V8 takes long to write a number so large. */
function timeOf(time: number): string {
  if (time !== written) {
    written = time;
    text = `,"time":${time}`;
  }
  return text;
}

function decodeFrame(frame: string, deepest: number = Infinity): Command[] | undefined {
  const commands: Command[] = [];
  for (const line of frame.split("\n")) {
    if (line.trim() === "") continue;
    const command = decodeCommand(line, deepest);
    if (command === undefined) return undefined;
    commands.push(command);
  }
  return commands.length === 0 ? undefined : commands;
}

function decodeCommand(line: string, deepest: number): Command | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {}
  const command = isObject(value) ? commandOf(value) : undefined;
  // Each level takes two characters at least.
  const isDeep = line.length >= 2 * deepest && isDeeper(value, deepest);
  return command && isDeep ? { ...command, params: {}, isDeep } : command;
}

/** What an object says; undefined where it has no id above 0, and needs one. */
function commandOf(value: Record<string, unknown>): Command | undefined {
  let method: Command["method"] = "unknown";
  const names = Object.keys(value);
  for (const name of names)
    if (name === "send" || known.has(name))
      method = method === "unknown" ? (name as Method | "send") : "ambiguous";
  const { id } = value;
  if (names.length === 0) return { id: 0, method: "pong", params: value };
  if (method === "send" && !names.includes("id")) return { id: 0, method, params: paramsOf(value, method) };
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id <= 0) return undefined;
  // With an id it would want an answer, and has none.
  if (method === "send") method = "ambiguous";
  return { id, method, params: paramsOf(value, method) };
}

const known: ReadonlySet<string> = new Set(methods);

/** Whether arrays and objects are in each other deeper than so many levels. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const name in value) if (isDeeper((value as Record<string, unknown>)[name], levels - 1)) return true;
  return false;
}

/** A request that is no object reads as an empty one: its missing fields are then an error of that command alone. */
function paramsOf(value: Record<string, unknown>, method: string): Record<string, unknown> {
  const params = value[method];
  return isObject(params) ? params : {};
}
