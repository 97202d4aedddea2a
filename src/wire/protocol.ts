/**
 * The wire protocol: a subset of Centrifugo's JSON client protocol, so that Centrifugo's clients connect unmodified.
 *
 * This comment is the normative text. The code below it is shared by all codecs.
 *
 * **Frames.** A WebSocket text frame holds one or more JSON objects, joined by newlines. A client sends *commands*. A
 * command is an object with an `id` above 0 and exactly one of {@linkcode methods}, or an object with `send` and
 * without an `id`, or `{}`, which is a pong. The server sends *replies*, *pushes* and pings. A reply has the command's
 * `id`, and either a result under the command's name or an `error`. A push is `{"push":{"channel":…}}`. A ping is `{}`.
 * The server ignores unknown fields, and sends only fields of the protocol. Spaces around an object have no meaning.
 * The server sends some after the connect reply.
 *
 * **Order.** The first command is `connect`. The commands of one connection are answered in order. All commands wait
 * until `connect` has been answered. Pongs are handled at once. Once the connect reply has been queued for sending,
 * acknowledgements, `ping` and the rpc `run.cancel` are also answered at once, ahead of slow commands. An `unsubscribe`
 * is answered in order. But from its arrival on, the channel's publications no longer count as read, even if the
 * `subscribe` is still queued. The server sends no ping before the connect reply.
 *
 * **Flow.** Each session has a send window: the maximum number of bytes in flight, which means sent but not yet proven
 * read by a pong. While the window is full, publications wait in the log. The subscription that has waited longest for
 * room is served first. A publication that is larger than the window is sent as soon as no other publication is in
 * flight. Commands that return stored data (`history`, `presence`, and `subscribe` with `recover`) wait for room, too.
 * All other commands are answered until replies have used up a second window.
 *
 * **Joins and leaves.** `join` and `leave` are pushed to subscriptions with `join_leave`, at most once per turn of the
 * event loop. With 100 listeners or more they are pushed at most once per `listeners / 10` milliseconds. A client that
 * joins and leaves between two pushes is not announced. Announcements that would be too large in total, or that would
 * leave less than half of a listener's window free, are dropped. The server sends none while it closes.
 *
 * **Recovery.** The reply to a first `subscribe` has the channel's epoch and top offset. A later `subscribe` has
 * `recover`, `offset` and `epoch`. Recovery succeeds if the epoch is empty or equal, and every missed publication is
 * still in the log. Then `recovered` is true, `offset` is the offset that the client sent, `publications` holds as many
 * publications as the window allows, and the rest follows as pushes. Otherwise `recovered` is false, there are no
 * publications, and `offset` is the top. In that case the log is complete for the last `kept` publications up to the
 * top, where `kept` is a member of the notice. If there is no notice, it is complete after `data.earliest`.
 * `{ offset: 0, epoch: "" }` requests the channel from its start. Within a subscription offsets rise by exactly one.
 * When the server can no longer ensure that, it ends a subscription that the client made with an `unsubscribe` push,
 * code 2500. For a subscription that the server made, it closes the connection with code 3010.
 *
 * **Barrier.** A client answers each `{}` with `{}`, after it has handled everything before that ping. A pong therefore
 * proves that everything sent before its ping has been read. At most one ping is outstanding.
 *
 * **Who pings.** The server sends a ping every `ping` seconds. A host may answer the `ping` commands of clients itself,
 * so that they do not wake the server. There the reply to a `connect` with the name `tocsin` has neither `ping` nor
 * `pong`. That client must send a `ping` at least every 25 s, and still answers the pings that are barriers. If nothing
 * is heard of it for 60 s, it may be closed with 3012.
 *
 * **Acknowledgement.** A client acknowledges with `{"send":{"data":{"ack":{"<channel>":{"offset":17,"epoch":"x"}}}}}`,
 * or with the rpc method `ack` and the same `data`, whose reply is empty (`{}`). An acknowledgement is cumulative
 * within each channel, and several may be merged into one. A lower offset than before has no effect. In an rpc, one
 * invalid entry refuses all entries: error 103 for a channel that is not subscribed, 112 for another epoch, 107 for an
 * offset above what was sent. In a `send`, invalid entries are ignored. Both forms are handled at once, ahead of
 * waiting commands. The reply to the rpc is also sent at once. An empty `ack` declares that the client acknowledges:
 * from then on, what it has read no longer counts as acknowledged. The offset of a recovery is an acknowledgement, too.
 *
 * **Notice.** The `data` of a recovery's reply can hold a `notice`: how many publications are `delayed`, how many are
 * `gone` (null if unknown), and how many are `kept` in the log but not sent. A subscriber that was delayed by one
 * second or more gets a `message` push with the same members and the channel. A user gets at most one notice per
 * channel every 5 s. What happens in between is added up for the next notice.
 *
 * **Limits.** The limits always allow a client to reconnect with all its subscriptions in one message. A command that
 * is nested too deep is answered with error 107. A command above the session's rate is answered with error 111. A
 * client that continues at that rate is closed with 3013. As many acknowledgements as there may be subscriptions count
 * as one command. If a handler throws or is late, the error is 100; only a handler's answer refuses, with 103. A
 * publication is answered with 111 when too much already waits to be published. Error 106 means that any other limit
 * would be exceeded. A `refresh` with an expired token closes with 3005, because clients give up for good after an
 * error reply to `refresh`. A `connect` with an expired token is refused with error 109, upon which clients get a new
 * token and reconnect.
 *
 * **Streams.** Without a WebSocket, the frames of the server are a stream: lines over `http_stream`, or the events of an
 * `EventSource` over `sse`. The request that opens it carries the `connect` command, in its body or in the parameter
 * `cf_connect`. The reply to `connect` then has `session`, a secret, and maybe `node`. Each further frame of the client is
 * the `data` of a POST of `{"session":…,"node":…,"data":…}`. Posts are handled in the order of their commands' ids, as
 * far as they come within a second of each other. The close code is a last push, `{"push":{"disconnect":{"code":…,
 * "reason":…}}}`, with 3501 in place of 1009. A pong without a ping, and a post that comes twice, have no effect.
 *
 * **Close codes.** 3000–3499, 4000–4499 and from 5000: the client reconnects. 3500–3999 and 4500–4999: it does not.
 *
 * @module
 */

/** The names of the commands that have an id. */
export const methods = [
  "connect",
  "subscribe",
  "unsubscribe",
  "publish",
  "presence",
  "presence_stats",
  "history",
  "rpc",
  "refresh",
  "sub_refresh",
  "ping",
] as const;

/** The name of a command that has an id. */
export type Method = (typeof methods)[number];

/** A decoded command. `params` is the object that the client sent. Its content is not checked. */
export interface Command {
  /** The command's id, or 0 if it has none. */
  readonly id: number;
  /** `unknown` if the command has none of the methods. `ambiguous` if it has several, or `send` with an id. */
  readonly method: Method | "send" | "pong" | "unknown" | "ambiguous";
  readonly params: Readonly<Record<string, unknown>>;
  /** Whether the command was nested too deep. Its `params` are then empty. */
  readonly isDeep?: boolean;
}

/** An error reply. If it is `temporary`, the client may retry. */
export interface ErrorReply {
  readonly code: number;
  readonly message: string;
  readonly temporary?: true;
}

/** The names of the error replies. */
export type ErrorName =
  | "internal"
  | "unauthorized"
  | "permissionDenied"
  | "methodNotFound"
  | "alreadySubscribed"
  | "limitExceeded"
  | "badRequest"
  | "notAvailable"
  | "tokenExpired"
  | "tooManyRequests"
  | "unrecoverable";

/** The error replies, by name. */
export const replies: Readonly<Record<ErrorName, ErrorReply>> = {
  internal: { code: 100, message: "internal server error", temporary: true },
  unauthorized: { code: 101, message: "unauthorized" },
  permissionDenied: { code: 103, message: "permission denied" },
  methodNotFound: { code: 104, message: "method not found" },
  alreadySubscribed: { code: 105, message: "already subscribed" },
  limitExceeded: { code: 106, message: "limit exceeded" },
  badRequest: { code: 107, message: "bad request" },
  notAvailable: { code: 108, message: "not available" },
  tokenExpired: { code: 109, message: "token expired" },
  tooManyRequests: { code: 111, message: "too many requests", temporary: true },
  unrecoverable: { code: 112, message: "unrecoverable position" },
};

/**
 * A close code and reason. The reason is text for people. It is never JSON, which clients would parse as instructions.
 */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** The names of the close codes. */
export type CloseName =
  | "normal"
  | "shutdown"
  | "internal"
  | "expired"
  | "slow"
  | "insufficientState"
  | "reconnect"
  | "noPong"
  | "tooManyRequests"
  | "invalidToken"
  | "badRequest"
  | "stale"
  | "disconnect"
  | "connectionLimit"
  | "channelLimit"
  | "permissionDenied"
  | "notAvailable"
  | "messageTooBig";

/** The close codes of a connection, by name. */
export const closes: Readonly<Record<CloseName, Close>> = {
  normal: { code: 3000, reason: "connection closed" },
  shutdown: { code: 3001, reason: "shutdown" },
  internal: { code: 3004, reason: "internal server error" },
  expired: { code: 3005, reason: "connection expired" },
  slow: { code: 3008, reason: "slow" },
  insufficientState: { code: 3010, reason: "insufficient state" },
  reconnect: { code: 3011, reason: "force reconnect" },
  noPong: { code: 3012, reason: "no pong" },
  tooManyRequests: { code: 3013, reason: "too many requests" },
  invalidToken: { code: 3500, reason: "invalid token" },
  badRequest: { code: 3501, reason: "bad request" },
  stale: { code: 3502, reason: "stale" },
  disconnect: { code: 3503, reason: "force disconnect" },
  connectionLimit: { code: 3504, reason: "connection limit" },
  channelLimit: { code: 3505, reason: "channel limit" },
  permissionDenied: { code: 3507, reason: "permission denied" },
  notAvailable: { code: 3508, reason: "not available" },
  messageTooBig: { code: 1009, reason: "message too big" },
};

/** The codes of an `unsubscribe` push. After 2000 the client does not resubscribe. After 2500 and above it does. */
export const unsubscribes: Readonly<Record<"server" | "insufficientState", Close>> = {
  server: { code: 2000, reason: "server unsubscribed" },
  insufficientState: { code: 2500, reason: "insufficient state" },
};

/** A publication as a codec encodes it. */
export interface Published {
  readonly offset: number;
  /** JSON text. */
  readonly data: string;
  readonly time: number;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A peer as other peers see it. `info`, sent as `conn_info`, is JSON text. */
export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  readonly info?: string | undefined;
}

/** An encoding of the protocol, for `createNotifier({ codecs })`. Its other members are the notifier's own. */
export interface ProtocolCodec {
  /** The WebSocket subprotocol that selects it. */
  readonly subprotocol: string;
}

/**
 * Encodes and decodes the protocol. Every encoded message is a text; a frame is several of them, joined by `separator`.
 * In JSON it is the text of one object, without a newline. In a binary encoding each character stands for one byte.
 */
export interface Codec extends ProtocolCodec {
  /** The WebSocket subprotocol that selects this codec. */
  readonly subprotocol: string;
  readonly separator: string;
  readonly ping: string;
  /** Returns the number of bytes of a text in a frame. */
  byteLength(text: string): number;
  /** Returns the frame of a text. Without it the text is the frame. */
  frame?(text: string): Uint8Array;
  /** Lengthens the first message of a connection, where that saves time, by what its reader ignores. */
  padded(text: string): string;
  /**
   * Decodes the commands of a frame. A command that is nested deeper than `maxDepth` has `isDeep` and empty params.
   * Returns undefined if the frame is malformed, and "tooLarge" if it is over `maxBytes`. It does not throw, because
   * peers can send thousands of such frames.
   */
  decode(frame: unknown, maxDepth?: number, maxBytes?: number): Command[] | "tooLarge" | undefined;
  reply(id: number, method: Method, result: string): string;
  error(id: number, error: ErrorReply): string;
  /** Encodes what is the same in all pushes of publications to a channel. */
  pubHead(channel: string): string;
  /** Encodes a push of a publication. */
  pub(head: string, published: Published): string;
  /** Returns the publication in a push that `pub` has encoded. */
  publicationIn(head: string, push: string): string;
  /** Returns whether texts begin with a push of a channel's content: of a publication, join, leave or message. */
  contentOf(channel: string): (text: string) => boolean;
  publication(published: Published): string;
  /** Encodes the push that somebody joined or left a channel. */
  presence(channel: string, kind: "join" | "leave", info: ClientInfo): string;
  /** Encodes a `message` push. `data` is JSON text. */
  message(channel: string, data: string): string;
  /** Encodes the push that ends a subscription. */
  unsubscribe(channel: string, why: Close): string;
  /** Encodes the push that ends a connection which has no close code of its own. */
  disconnect(why: Close): string;
  readonly results: ResultCodec;
}

/** The result of a `connect` command. `ttl` is in seconds; it is set if the client should refresh its token. */
export interface ConnectResult {
  readonly client: string;
  readonly version: string;
  readonly ttl: number | undefined;
  /** Seconds between pings. Undefined if the server sends none while nothing is in flight. */
  readonly ping: number | undefined;
  /** The encoded results of the subscriptions that the server made, by channel. */
  readonly subs: Iterable<readonly [channel: string, result: string]>;
  /** What the client names its session by in requests of their own. Undefined over a WebSocket. */
  readonly session?: string | undefined;
  /** The node that has the session. Undefined if there are no others. */
  readonly node?: string | undefined;
}

/** The result of a `subscribe` command. */
export interface SubscribeResult {
  readonly epoch: string;
  readonly offset: number;
  /** The recovered publications, encoded; undefined if nothing was recovered. */
  readonly recovered: readonly string[] | undefined;
  /** Whether the client asked for recovery. */
  readonly wasRecovering: boolean;
  /** JSON text. */
  readonly data: string | undefined;
}

/** Encodes the results of commands, as {@linkcode Codec.reply} takes them. */
export interface ResultCodec {
  /** A result without members. */
  readonly empty: string;
  connect(result: ConnectResult): string;
  refresh(result: Pick<ConnectResult, "client" | "version" | "ttl">): string;
  subscribe(result: SubscribeResult): string;
  presence(clients: readonly ClientInfo[]): string;
  presenceStats(clients: number, users: number): string;
  /** `publications` are encoded. */
  history(publications: readonly string[], offset: number, epoch: string): string;
  /** `data` is JSON text. */
  rpc(data: string): string;
}
