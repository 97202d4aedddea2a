import { byteLength, exceeds } from "../base/bytes.ts";
import { isObject } from "../base/check.ts";
import { isDeeper } from "./nesting.ts";
import {
  type ClientInfo,
  type Codec,
  type Command,
  type ConnectResult,
  type Method,
  methods,
  type Published,
} from "./protocol.ts";

/** The kinds of push. */
type PushKind = "pub" | "join" | "leave" | "unsubscribe" | "message";

/** The kinds of push that carry the content of a channel. */
const contentKinds: readonly PushKind[] = ["pub", "join", "leave", "message"];

/** What follows the body of a push. */
const pushTail = "}}";

/**
 * The minimum length of the first frame, in characters. It is padded with spaces, which JSON ignores and the window
 * does not count.
 *
 * A system sends a TCP acknowledgement at once, at the sender's cost, when the data that has arrived is longer in total
 * than the longest segment so far. Before the first segment the limit is 536 bytes (Linux, `tcp_initialize_rcv_mss`),
 * which is two small events. The padding saves up to a fifth.
 */
const minFirstFrame = 1_000;
/** The padding is cut from this text, because the engines take longer to repeat a space. */
const spaces = " ".repeat(minFirstFrame);

/** The JSON codec of the protocol. */
export const jsonCodec: Codec = {
  subprotocol: "centrifuge-json",
  separator: "\n",
  ping: "{}",
  byteLength,
  padded: (text) => text + spaces.slice(text.length),
  decode: decodeFrame,
  reply: (id, method, result) => `{"id":${id},"${method}":${result}}`,
  error: (id, error) => `{"id":${id},"error":${JSON.stringify(error)}}`,
  pubHead: (channel) => pushHead(channel, "pub"),
  pub: (head, published) => head + encodePublication(published) + pushTail,
  publicationIn: (head, text) => text.slice(head.length, -pushTail.length),
  contentOf(channel) {
    const heads = contentKinds.map((kind) => pushHead(channel, kind));
    return (text) => heads.some((head) => text.startsWith(head));
  },
  publication: encodePublication,
  presence: (channel, kind, info) => push(channel, kind, `{"info":${encodeInfo(info)}}`),
  message: (channel, data) => push(channel, "message", `{"data":${data}}`),
  unsubscribe: (channel, why) => push(channel, "unsubscribe", JSON.stringify(why)),
  disconnect: ({ code, reason }) => `{"push":{"disconnect":${JSON.stringify({ code, reason })}}}`,
  results: {
    empty: "{}",
    connect({ ping, subs, session, node, ...result }) {
      const texts = Array.from(subs, ([channel, sub]) => `${JSON.stringify(channel)}:${sub}`);
      const pings = ping === undefined ? "" : `,"ping":${ping},"pong":true`;
      const posts = session === undefined ? "" : `,${JSON.stringify({ session, node }).slice(1, -1)}`;
      const members = pings + ttlOf(result) + posts;
      return `{${serverOf(result)}${members}${texts.length === 0 ? "" : `,"subs":{${texts.join(",")}}`}}`;
    },
    refresh: (result) => `{${serverOf(result)}${ttlOf(result)}}`,
    subscribe({ epoch, offset, recovered, wasRecovering, data }) {
      const publications = recovered?.length ? `,"publications":[${recovered.join(",")}]` : "";
      return (
        `{"recoverable":true,"positioned":true,"epoch":${JSON.stringify(epoch)},"offset":${offset}${publications}` +
        `${recovered === undefined ? "" : ',"recovered":true'}${wasRecovering ? ',"was_recovering":true' : ""}` +
        `${data === undefined ? "" : `,"data":${data}`}}`
      );
    },
    presence: (clients) =>
      `{"presence":{${clients.map((info) => `"${info.client}":${encodeInfo(info)}`).join(",")}}}`,
    presenceStats: (clients, users) => `{"num_clients":${clients},"num_users":${users}}`,
    history: (publications, offset, epoch) =>
      `{"publications":[${publications.join(",")}],"offset":${offset},"epoch":${JSON.stringify(epoch)}}`,
    rpc: (data) => `{"data":${data}}`,
  },
};

function serverOf({ client, version }: Pick<ConnectResult, "client" | "version">): string {
  return `"client":"${client}","version":"${version}"`;
}

function ttlOf({ ttl }: Pick<ConnectResult, "ttl">): string {
  return ttl === undefined ? "" : `,"expires":true,"ttl":${ttl}`;
}

function encodeInfo({ user, client, info }: ClientInfo): string {
  const rest = info === undefined ? "" : `,"conn_info":${info}`;
  return `{"user":${JSON.stringify(user)},"client":${JSON.stringify(client)}${rest}}`;
}

function push(channel: string, kind: PushKind, body: string): string {
  return pushHead(channel, kind) + body + pushTail;
}

function pushHead(channel: string, kind: PushKind): string {
  return `{"push":{"channel":${JSON.stringify(channel)},"${kind}":`;
}

function encodePublication({ offset, data, time, tags }: Published): string {
  const end = tags === undefined ? "}" : `,"tags":${JSON.stringify(tags)}}`;
  return `{"data":${data},"offset":${offset}${timeOf(time)}${end}`;
}

let lastTime = Number.NaN;
let lastTimeText = "";

/**
 * Caches the text of the last time: many publications have the same time, and V8 is slow to format a number this large.
 */
function timeOf(time: number): string {
  if (time !== lastTime) {
    lastTime = time;
    lastTimeText = `,"time":${time}`;
  }
  return lastTimeText;
}

function decodeFrame(
  frame: unknown,
  maxDepth: number = Infinity,
  maxBytes: number = Infinity,
): Command[] | "tooLarge" | undefined {
  if (typeof frame !== "string") return undefined;
  if (exceeds(frame, maxBytes)) return "tooLarge";
  const commands: Command[] = [];
  for (const line of frame.split("\n")) {
    if (line.trim() === "") continue;
    const command = decodeCommand(line, maxDepth);
    if (command === undefined) return undefined;
    commands.push(command);
  }
  return commands.length === 0 ? undefined : commands;
}

function decodeCommand(line: string, maxDepth: number): Command | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {}
  const command = isObject(value) ? commandOf(value) : undefined;
  // Each level of nesting takes at least two characters, so most lines are too short to be deep.
  const isDeep = line.length >= 2 * maxDepth && isDeeper(value, maxDepth);
  return command && isDeep ? { ...command, params: {}, isDeep } : command;
}

/** Returns the command in an object, or undefined if the command requires an id above 0 and has none. */
function commandOf(value: Record<string, unknown>): Command | undefined {
  let method: Command["method"] = "unknown";
  const names = Object.keys(value);
  for (const name of names)
    if (name === "send" || knownMethods.has(name))
      method = method === "unknown" ? (name as Method | "send") : "ambiguous";
  const { id } = value;
  if (names.length === 0) return { id: 0, method: "pong", params: value };
  if (method === "send" && !names.includes("id")) return { id: 0, method, params: paramsOf(value, method) };
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id <= 0) return undefined;
  // A `send` has no reply, so it must not have an id.
  if (method === "send") method = "ambiguous";
  return { id, method, params: paramsOf(value, method) };
}

const knownMethods: ReadonlySet<string> = new Set(methods);

/**
 * Replaces params that are not an object by an empty object. The missing fields are then an error of that command
 * alone.
 */
function paramsOf(value: Record<string, unknown>, method: string): Record<string, unknown> {
  const params = value[method];
  return isObject(params) ? params : {};
}
