import { isDeeper } from "./nesting.ts";
import { eachField, type Field, ProtobufReader, textOf } from "./protobuf-reader.ts";
import type { Command, Method } from "./protocol.ts";

/** How the value of a field is read. */
type Reading =
  | "text"
  | "number"
  | "flag"
  /** A number that may be below 0. */
  | "signed"
  /** JSON in UTF-8. */
  | "json"
  | Schema
  /** A map from texts to messages. */
  | { readonly of: Schema };

/** The fields of a message that are read, by number. All others are skipped. */
interface Schema {
  readonly [field: number]: readonly [name: string, reading: Reading];
}

const position: Schema = { 1: ["offset", "number"], 2: ["epoch", "text"] };
const ofChannel: Schema = { 1: ["channel", "text"] };
const subscribe: Schema = {
  1: ["channel", "text"],
  2: ["token", "text"],
  3: ["recover", "flag"],
  6: ["epoch", "text"],
  7: ["offset", "number"],
  8: ["data", "json"],
  9: ["positioned", "flag"],
  10: ["recoverable", "flag"],
  11: ["join_leave", "flag"],
  14: ["flag", "signed"],
  15: ["type", "signed"],
};

/** The commands, by the number of their field. */
const commands: Readonly<Record<number, readonly [Method | "send", Schema]>> = {
  4: [
    "connect",
    {
      1: ["token", "text"],
      2: ["data", "json"],
      3: ["subs", { of: subscribe }],
      4: ["name", "text"],
      5: ["version", "text"],
    },
  ],
  5: ["subscribe", subscribe],
  6: ["unsubscribe", ofChannel],
  7: ["publish", { 1: ["channel", "text"], 2: ["data", "json"] }],
  8: ["presence", ofChannel],
  9: ["presence_stats", ofChannel],
  10: [
    "history",
    { 1: ["channel", "text"], 7: ["limit", "signed"], 8: ["since", position], 9: ["reverse", "flag"] },
  ],
  11: ["ping", {}],
  12: ["send", { 1: ["data", "json"] }],
  13: ["rpc", { 1: ["data", "json"], 2: ["method", "text"] }],
  14: ["refresh", { 1: ["token", "text"] }],
  15: ["sub_refresh", { 1: ["channel", "text"], 2: ["token", "text"] }],
};

/** Number of levels of a command around its data: the command and its params. */
const levelsAround = 2;

/** Thrown, in this file only, where a message is malformed, or where its JSON is. */
const malformed: unique symbol = Symbol("malformed");
const noJson: unique symbol = Symbol("no JSON");

/**
 * Decodes the commands of a frame: messages, each with its length before it. An empty one is a pong. Undefined if the
 * frame is malformed. A command whose data is no JSON is `ambiguous`, so that it alone is refused.
 */
export function commandsIn(frame: Uint8Array, maxDepth: number): Command[] | undefined {
  const reader = new ProtobufReader(frame);
  const decoded: Command[] = [];
  while (!reader.isAtEnd) {
    const message = reader.delimited();
    const command = message && commandIn(message, maxDepth);
    if (command === undefined) return undefined;
    decoded.push(command);
  }
  return decoded.length === 0 ? undefined : decoded;
}

/** All pongs are one object: a frame can hold as many of them as it has bytes. */
const pong: Command = { id: 0, method: "pong", params: {} };

function commandIn(message: Uint8Array, maxDepth: number): Command | undefined {
  if (message.length === 0) return pong;
  let id: Field[1] = 0;
  let first = 0;
  let value: Field[1] = new Uint8Array();
  let isAmbiguous = false;
  const isRead = eachField(message, (number, content) => {
    if (number === 1) id = content;
    if (commands[number] === undefined) return;
    isAmbiguous ||= first !== 0 && first !== number;
    first = number;
    value = content;
  });
  if (!isRead || typeof id !== "number" || !Number.isSafeInteger(id)) return undefined;
  const [method, schema] = commands[first] ?? ["unknown" as const, {}];
  const isSend = method === "send" && id === 0;
  if (id === 0 && !isSend) return undefined;
  if (isAmbiguous || (method === "send" && !isSend)) return { id, method: "ambiguous", params: {} };
  if (typeof value === "number") return undefined;
  const params = paramsIn(value, schema);
  if (params === malformed || (params === noJson && isSend)) return undefined;
  if (params === noJson) return { id, method: "ambiguous", params: {} };
  const isDeep = isDeeper(params, maxDepth - levelsAround + 1);
  return isDeep ? { id, method, params: {}, isDeep } : { id, method, params };
}

type Params = Record<string, unknown>;

function paramsIn(message: Uint8Array, schema: Schema): Params | typeof malformed | typeof noJson {
  try {
    return messageIn(message, schema);
  } catch (error) {
    if (error === malformed || error === noJson) return error;
    throw error;
  }
}

/** Reads a message. Throws `malformed` or `noJson`. */
function messageIn(message: Uint8Array, schema: Schema): Params {
  const params: Params = {};
  const isRead = eachField(message, (number, value) => {
    const [name, reading] = schema[number] ?? [];
    if (name === undefined || reading === undefined) return;
    if (typeof reading === "object" && "of" in reading)
      addTo(params, name, bytesIn(value), reading.of as Schema);
    else params[name] = valueIn(value, reading as Exclude<Reading, { of: Schema }>);
  });
  if (!isRead) throw malformed;
  return params;
}

function valueIn(value: Field[1], reading: Exclude<Reading, { of: Schema }>): unknown {
  if (reading === "number" || reading === "signed" || reading === "flag") {
    if (typeof value !== "number") throw malformed;
    if (reading === "flag") return value !== 0;
    // A number below 0 is written as one of 64 bits. How far it is below 0 makes no difference here.
    return reading === "signed" && value >= 2 ** 63 ? -1 : value;
  }
  const bytes = bytesIn(value);
  if (typeof reading === "object") return messageIn(bytes, reading);
  const text = textOf(bytes);
  if (text === undefined) throw reading === "json" ? noJson : malformed;
  return reading === "text" ? text : jsonIn(text);
}

function bytesIn(value: Field[1]): Uint8Array {
  if (typeof value === "number") throw malformed;
  return value;
}

/** Empty data is no data. */
function jsonIn(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw noJson;
  }
}

/** Adds the entry of a map: a message whose field 1 is the key, and whose field 2 is the value. */
function addTo(params: Params, name: string, entry: Uint8Array, schema: Schema): void {
  const { key = "", value = {} } = messageIn(entry, { 1: ["key", "text"], 2: ["value", schema] });
  // A key may be `__proto__`, so the object has no prototype.
  const map = (params[name] ?? Object.create(null)) as Params;
  params[name] = map;
  map[key as string] = value;
}
