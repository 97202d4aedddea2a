import { commandsIn } from "./protobuf-commands.ts";
import {
  bytesField,
  bytesOf,
  delimited,
  endOfVarint,
  flagField,
  numberField,
  textField,
  utf8,
} from "./protobuf-text.ts";
import type {
  ClientInfo,
  Close,
  Codec,
  ConnectResult,
  Method,
  ProtocolCodec,
  Published,
} from "./protocol.ts";

/** The number of the field of a reply that holds the result of a command. */
const results: Readonly<Record<Method, number>> = {
  connect: 5,
  subscribe: 6,
  unsubscribe: 7,
  publish: 8,
  presence: 9,
  presence_stats: 10,
  history: 11,
  ping: 12,
  rpc: 13,
  refresh: 14,
  sub_refresh: 15,
};

/** The numbers of the fields of a push. */
const pushes = { channel: 2, pub: 4, join: 5, leave: 6, unsubscribe: 7, message: 8 } as const;

/** What begins the fields of a push that carry the content of a channel. */
const contentTags: readonly string[] = [pushes.pub, pushes.join, pushes.leave, pushes.message].map((number) =>
  String.fromCharCode(number * 8 + 2),
);

/**
 * The Protobuf codec of the protocol. A frame is one or more messages, each with its length before it. Payloads are JSON
 * in UTF-8.
 */
const protobuf: Codec = {
  subprotocol: "centrifuge-protobuf",
  separator: "",
  ping: delimited(""),
  byteLength: (text) => text.length,
  frame: bytesOf,
  padded: (text) => text,
  decode(frame, maxDepth = Infinity, maxBytes = Infinity) {
    const bytes = frame instanceof ArrayBuffer ? new Uint8Array(frame) : frame;
    if (!(bytes instanceof Uint8Array)) return undefined;
    return bytes.length > maxBytes ? "tooLarge" : commandsIn(bytes, maxDepth);
  },
  reply: (id, method, result) => delimited(numberField(1, id) + bytesField(results[method], result)),
  error: (id, { code, message, temporary = false }) =>
    delimited(
      numberField(1, id) +
        bytesField(2, numberField(1, code) + textField(2, message) + flagField(3, temporary)),
    ),
  pubHead: headOf,
  pub: (head, published) => push(head, pushes.pub, publication(published)),
  publicationIn(head, text) {
    const start = endOfVarint(text, startOfPush(text) + head.length + 1);
    return text.slice(start);
  },
  contentOf(channel) {
    const head = headOf(channel);
    return (text) => {
      const start = startOfPush(text);
      return text.startsWith(head, start) && contentTags.includes(text.charAt(start + head.length));
    };
  },
  publication,
  presence: (channel, kind, info) => push(headOf(channel), pushes[kind], bytesField(1, infoOf(info))),
  message: (channel, data) => push(headOf(channel), pushes.message, dataField(1, data)),
  unsubscribe: (channel, { code, reason }: Close) =>
    push(headOf(channel), pushes.unsubscribe, numberField(2, code) + textField(3, reason)),
  disconnect: ({ code, reason }) =>
    delimited(bytesField(4, bytesField(11, numberField(1, code) + textField(2, reason)))),
  results: {
    empty: "",
    connect: ({ ping, subs, session = "", node = "", ...result }) =>
      serverOf(result) +
      Array.from(subs, ([channel, sub]) => bytesField(6, textField(1, channel) + bytesField(2, sub))).join(
        "",
      ) +
      (ping === undefined ? "" : numberField(7, ping) + flagField(8, true)) +
      textField(9, session) +
      textField(10, node),
    refresh: serverOf,
    subscribe: ({ epoch, offset, recovered, wasRecovering, data }) =>
      flagField(3, true) +
      textField(6, epoch) +
      listField(7, recovered ?? []) +
      flagField(8, recovered !== undefined) +
      numberField(9, offset) +
      flagField(10, true) +
      (data === undefined ? "" : dataField(11, data)) +
      flagField(12, wasRecovering),
    presence: (clients) =>
      clients.map((info) => bytesField(1, textField(1, info.client) + bytesField(2, infoOf(info)))).join(""),
    presenceStats: (clients, users) => numberField(1, clients) + numberField(2, users),
    history: (publications, offset, epoch) =>
      listField(1, publications) + textField(2, epoch) + numberField(3, offset),
    rpc: (data) => dataField(1, data),
  },
};

/** Lets clients connect that ask for the WebSocket subprotocol `centrifuge-protobuf`. Payloads stay JSON. */
export const protobufCodec: ProtocolCodec = protobuf;

function headOf(channel: string): string {
  return bytesField(pushes.channel, utf8(channel));
}

function push(head: string, kind: number, body: string): string {
  return delimited(bytesField(4, head + bytesField(kind, body)));
}

/** Returns where the content of a push begins: after the length of the message, and the tag and length of the push. */
function startOfPush(text: string): number {
  return endOfVarint(text, endOfVarint(text, 0) + 1);
}

/** A field that holds JSON text. */
function dataField(number: number, data: string): string {
  return bytesField(number, utf8(data));
}

function listField(number: number, messages: readonly string[]): string {
  return messages.map((message) => bytesField(number, message)).join("");
}

function publication({ offset, data, time, tags }: Published): string {
  const text = dataField(4, data) + numberField(6, offset);
  const labels =
    tags === undefined
      ? ""
      : Object.entries(tags)
          .map(([name, value]) => bytesField(7, textField(1, name) + textField(2, value)))
          .join("");
  return text + labels + numberField(9, Math.trunc(time));
}

function infoOf({ user, client, info }: ClientInfo): string {
  return textField(1, user) + textField(2, client) + (info === undefined ? "" : dataField(3, info));
}

/** The fields that the results of `connect` and of `refresh` have in common. */
function serverOf({ client, version, ttl }: Pick<ConnectResult, "client" | "version" | "ttl">): string {
  const end = ttl === undefined ? "" : flagField(3, true) + numberField(4, ttl);
  return textField(1, client) + textField(2, version) + end;
}
