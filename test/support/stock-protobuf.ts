/** The codec of the stock client's Protobuf build, for tests that speak JSON. */
import { Centrifuge } from "centrifuge/build/protobuf";

type Message = Record<string, unknown>;

interface StockCodec {
  encodeCommands(commands: readonly Message[]): Uint8Array;
  encodeReplies(replies: readonly Message[]): Uint8Array;
  decodeReplies(frame: Uint8Array): Message[];
}

/** The stock client's own codec. It is not public, and is reached through a client that never connects. */
export const stockCodec: StockCodec = (
  new Centrifuge("ws://localhost", { websocket: class {} }) as unknown as { _codec: StockCodec }
)._codec;

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

/** Translates a frame of Protobuf, which the server has sent, into a text frame of JSON. */
export function jsonOf(frame: Uint8Array): string {
  return messagesOf(frame)
    .map((message) => JSON.stringify(message))
    .join("\n");
}

/** Decodes a frame of Protobuf into the messages that a client of JSON would have been sent. */
export function messagesOf(frame: Uint8Array): Message[] {
  return stockCodec.decodeReplies(frame).map(replyOf);
}

function replyOf({ ...reply }: Message): Message {
  const { push, connect, subscribe, presence, ...rest } = reply as Record<string, Message | undefined>;
  if (push !== undefined) return { push: pushOf(push) };
  return {
    ...plain(rest),
    ...mapped("connect", connect, "subs", subscriptionOf),
    ...(subscribe && { subscribe: subscriptionOf(subscribe) }),
    ...(presence && { presence: { presence: {}, ...mapped("presence", presence.presence, "", clientOf).presence } }),
  };
}

/** The defaults that the encoding leaves out and JSON writes. */
const defaults: Readonly<Record<string, object>> = {
  history: { publications: [], offset: 0, epoch: "" },
  presence_stats: { num_clients: 0, num_users: 0 },
};
