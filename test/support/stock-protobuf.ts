/** The codec of the stock client's Protobuf build, for tests that speak JSON. */
import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";

type Message = Record<string, unknown>;

interface StockCodec {
  encodeCommands(commands: readonly Message[]): Uint8Array;
  encodeReplies(replies: readonly Message[]): Uint8Array;
  decodeReplies(frame: Uint8Array): Message[];
}

/** The stock client's own codec. It is not public, and is reached through a client that never connects. */
export const stockCodec: StockCodec = (
  new ProtobufCentrifuge("ws://localhost", { websocket: class {} }) as unknown as { _codec: StockCodec }
)._codec;

/** The stock client's Protobuf build. Its own codec sends and reads the bytes; here their JSON is parsed, too. */
class JsonPayloads extends ProtobufCentrifuge {
  protected _formatOverride(): void {
    const codec: StockCodec = Object.create(stockCodec);
    codec.encodeCommands = (commands) => stockCodec.encodeCommands(commands.map(withBytes) as Message[]);
    codec.decodeReplies = (frame) => stockCodec.decodeReplies(frame).map(parsed);
    Object.assign(this, { _codec: codec });
  }
}

/** The stock client's builds. Payloads are values in both. */
export const stockClients = {
  JSON: Centrifuge,
  Protobuf: JsonPayloads as unknown as typeof Centrifuge,
} as const;

export type Encoding = keyof typeof stockClients;
export const encodings = ["JSON", "Protobuf"] as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Translates a text frame of JSON into one of Protobuf. Text that is no list of commands becomes its UTF-8 bytes, which
 * are as malformed in Protobuf.
 */
export function protobufOf(text: string): Uint8Array {
  try {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    return stockCodec.encodeCommands(lines.map((line) => withBytes(JSON.parse(line)) as Message));
  } catch {
    return encoder.encode(text);
  }
}

/** Replaces the JSON in the members `data` of a command by its UTF-8 bytes. */
function withBytes(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([name, member]) =>
    name === "data" ? [name, encoder.encode(JSON.stringify(member))] : [name, withBytes(member)],
  );
  return Object.fromEntries(entries.filter(([, member]) => member !== null));
}

/** The members that are undefined in JSON, and have an empty default in a decoded message. */
const optional = ["data", "conn_info", "chan_info", "tags"];

/** Replaces the bytes in a decoded message by what their JSON says. */
function parsed<T extends object>(message: T): T {
  for (const name of optional as (keyof T)[])
    if (name in message && Object.keys(message[name] as object).length === 0)
      Object.assign(message, { [name]: undefined });
  for (const [name, member] of Object.entries(message) as [keyof T, unknown][])
    if (member instanceof Uint8Array) message[name] = JSON.parse(decoder.decode(member));
    else if (typeof member === "object" && member !== null) parsed(member);
  return message;
}

/** Translates a frame of Protobuf, which the server has sent, into a text frame of JSON. */
export function jsonOf(frame: Uint8Array): string {
  return messagesOf(frame)
    .map((message) => JSON.stringify(message))
    .join("\n");
}

/** Decodes a frame of Protobuf into the messages that a client of JSON would have been sent. */
export function messagesOf(frame: Uint8Array): Message[] {
  return stockCodec.decodeReplies(frame).map((reply) => withDefaults(plain(reply) as Message));
}

/** Members that are left out of JSON when they are empty. Decoded messages always have them. */
const collections = ["tags", "subs", "publications", "presence", "state", "items"];

/** Returns a decoded value as JSON has it: bytes hold JSON, and 64-bit numbers are plain ones. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return JSON.parse(decoder.decode(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if ("toNumber" in value) return (value as { toNumber(): number }).toNumber();
  const entries = Object.entries(value).filter(
    ([name, member]) => !collections.includes(name) || Object.keys(member as object).length > 0,
  );
  return Object.fromEntries(entries.map(([name, member]) => [name, plain(member)]));
}

/** Adds the members that are written in JSON, and left out of Protobuf, when they are 0 or empty. */
function withDefaults(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message).map(([name, member]) => [name, (fill[name] ?? same)(member as Message)]),
  );
}

const same = (member: Message): Message => member;
const sub = ({ publications, ...member }: Message): Message => ({
  epoch: "",
  offset: 0,
  ...member,
  ...(publications !== undefined && { publications: (publications as Message[]).map(pub) }),
});
const pub = (member: Message): Message => ({ offset: 0, time: 0, ...member });
const client = (member: Message): Message => ({ user: "", ...member });
const joined = ({ info }: Message): Message => ({ info: client(info as Message) });
const each = (members: unknown, change: (member: Message) => Message): Message =>
  Object.fromEntries(
    Object.entries((members ?? {}) as Message).map(([key, member]) => [key, change(member as Message)]),
  );

const fill: Readonly<Record<string, (member: Message) => Message>> = {
  connect: ({ subs, ...member }) => ({ ...member, ...(subs !== undefined && { subs: each(subs, sub) }) }),
  subscribe: sub,
  presence: ({ presence }) => ({ presence: each(presence, client) }),
  presence_stats: (member) => ({ num_clients: 0, num_users: 0, ...member }),
  history: (member) => ({ publications: [], ...sub(member) }),
  push: (member) => {
    const fills: typeof fill = { pub, join: joined, leave: joined };
    return Object.fromEntries(
      Object.entries(member).map(([name, content]) => [name, (fills[name] ?? same)(content as Message)]),
    );
  },
};
