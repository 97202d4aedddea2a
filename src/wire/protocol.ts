/**
 * The wire: a subset of Centrifugo's JSON client protocol, so that its clients connect unmodified.
 *
 * This comment is the normative text; the code below is one codec of it.
 *
 * **Frames.** A WebSocket text frame holds one or more JSON objects joined by a newline. A client sends *commands*: an `id`
 * above 0 and exactly one of {@linkcode methods}, or `send` without an id, or `{}`, a pong. The server sends *replies*
 * (the `id`, and a result under the command's name or an `error`), *pushes* (`{"push":{"channel":…}}`) and `{}`, a ping.
 * What is read may hold unknown fields; what is written holds none but those of the protocol. Spaces around an object mean
 * nothing, and the connect reply is followed by some.
 *
 * **Order.** The first command is `connect`. Commands of one connection are answered in order, and everything queues
 * behind a connect that is being answered. Pongs are handled at once. Once the connect reply is on its way,
 * acknowledgements, `ping` and the rpc `run.cancel` are answered at once as well, ahead of what is slow. An unsubscribe
 * is answered in its turn, but heard at once, for a subscribe that is still queued, too: nothing that comes after it
 * counts as read. No ping precedes the connect reply.
 *
 * **Flow.** What a session has in flight, unproven by a pong, is a window at most. While it is full, publications wait in
 * the log; whoever has waited longest for room is served first, and one that is larger than the window goes as soon as
 * no other is in flight. Commands that return what is stored (`history`, `presence`, `subscribe` with `recover`) wait
 * as well. All others are answered, until replies have taken another window.
 *
 * **Coming and going.** `join` and `leave` are pushed to subscriptions with `join_leave`, at most once a turn, and for a
 * hundred listeners or more at most once in a tenth of as many milliseconds. Who comes and goes in between is not
 * announced. They are dropped where they would take too much, or half of a listener's window, and none is made while
 * the server closes.
 *
 * **Recovery.** A first subscribe answers the channel's epoch and top. A later one carries `recover`, `offset` and
 * `epoch`, and succeeds if the epoch is empty or equal and every missed publication is still in the log: `recovered` is
 * true, `offset` is the one the client sent, `publications` holds what the window allows, and the rest follows as
 * pushes. Otherwise `recovered` is false, there are no publications, and `offset` is the top; the log is whole after
 * the `kept` of the notice before that, or after `data.earliest` where there is no notice. `{ offset: 0, epoch: "" }`
 * asks for the channel from its start. Within a subscription offsets rise by exactly one; when that can no longer be
 * kept, a subscription of the client's ends with an `unsubscribe` push 2500, one of the server's with close code 3010.
 *
 * **Barrier.** Clients answer each `{}` with `{}` after handling all that came before it. A pong therefore proves that
 * what was sent before its ping has been read; never two pings are outstanding.
 *
 * **Acknowledgement.** A client says what it has with
 * `{"send":{"data":{"ack":{"<channel>":{"offset":17,"epoch":"x"}}}}}`, or with the rpc method `ack` and the same
 * `data`, which is answered `{}`. It is cumulative in each channel and may be coalesced; one that says less than before
 * changes nothing. In an rpc one that cannot be true refuses all of them: error 103 for a channel that is not
 * subscribed, 112 for another epoch, 107 for an offset past what was sent; in a `send` it is ignored. Both are taken at
 * once, ahead of commands that wait, and answered so. An empty `ack` says that the client acknowledges, so that what it
 * has read is no longer taken for its word. The offset of a recovery acknowledges as well.
 *
 * **Notice.** A recovery's `data` holds `notice`: how many publications are `delayed`, `gone` (null when unknown) and
 * `kept` in the log without being sent. A subscriber that was held up for a second gets a `message` push with the same, and
 * its channel. To one user about one channel it comes at most every 5 s; what there is to add comes then.
 *
 * **Limits.** A client comes back with all its subscriptions in one message, and is let. A command nested too deep is
 * answered with error 107, and one more than the session's rate allows with 111; whoever goes on at that rate is closed
 * 3013. As many acknowledgements as there may be subscriptions count as one command. A handler that throws or is late
 * is error 100: only an answer refuses, with 103. A publication is answered with 111 where too much waits to be
 * published already. Error 106 says that something would be over any other limit. A refresh with a token that has
 * expired closes 3005, since clients give up for good at an error there; at 109, with which a connect is refused, they
 * get another token and come back.
 *
 * **Close codes.** 3000–3499, 4000–4499 and from 5000: come back. 3500–3999 and 4500–4999: do not.
 *
 * @module
 */

/** Names of the commands that carry an id. */
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

/** A command that carries an id. */
export type Method = (typeof methods)[number];

/** A command as read from a frame. `params` is whatever object the client sent: nothing in it is checked yet. */
export interface Command {
  /** 0 where the command has none. */
  readonly id: number;
  /** `unknown` when none of the methods is there, `ambiguous` when several are. */
  readonly method: Method | "send" | "pong" | "unknown" | "ambiguous";
  readonly params: Readonly<Record<string, unknown>>;
  /** Whether it was nested too deep: then its params are left out. */
  readonly isDeep?: boolean;
}

/** An error reply. A `temporary` one may be tried again. */
export interface ErrorReply {
  readonly code: number;
  readonly message: string;
  readonly temporary?: true;
}

/** Names of the errors. */
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

/** The errors a command can be answered with. */
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

/** Why a connection is closed. The reason is text for people, never JSON: clients would take that for advice. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** Names of the codes. */
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

/** The codes a connection is closed with. */
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

/** The codes a subscription of the client's is ended with: 2000 stay away, 2500 and up come back. */
export const unsubscribes: Readonly<Record<"server" | "insufficientState", Close>> = {
  server: { code: 2000, reason: "server unsubscribed" },
  insufficientState: { code: 2500, reason: "insufficient state" },
};

/** A publication as the codec writes it. */
export interface Published {
  readonly offset: number;
  /** JSON text. */
  readonly data: string;
  readonly time: number;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A peer as other peers see it. `conn_info` is JSON text. */
export interface ClientInfo {
  readonly user: string;
  readonly client: string;
  readonly info?: string | undefined;
}

/**
 * Reads and writes the protocol. All that is written is text of one JSON object, without a newline; a frame is such texts
 * joined by `separator`. Another encoding (the protocol's protobuf, say) is another codec.
 */
export interface Codec {
  /** The WebSocket subprotocol that asks for this codec. */
  readonly subprotocol: string;
  readonly separator: string;
  readonly ping: string;
  /**
   * Reads the commands of a frame, those nested deeper than `deepest` without their content; undefined where it cannot be
   * read. Peers can send thousands of those: nothing is thrown for one.
   */
  decode(frame: string, deepest?: number): Command[] | undefined;
  reply(id: number, method: Method, result: string): string;
  error(id: number, error: ErrorReply): string;
  /** A push to a channel: `kind` names its one member besides the channel. It is `pushHead`, the body, and `pushTail`. */
  push(channel: string, kind: PushKind, body: string): string;
  pushHead(channel: string, kind: PushKind): string;
  readonly pushTail: string;
  publication(published: Published): string;
  clientInfo(info: ClientInfo): string;
}

/** The kinds of push. */
export type PushKind = "pub" | "join" | "leave" | "unsubscribe" | "message";
