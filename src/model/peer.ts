/** What a peer asks to do with a channel. */
export interface Action {
  /** `cancel` asks to end the run of that channel, which decides about runs made with `cancel: "authorized"` alone. */
  type: "subscribe" | "publish" | "history" | "presence" | "cancel";
  /** The channel's name. */
  channel: string;
  /** What the client sent along: the subscription's `data`, the payload to publish, or the reason to cancel. */
  data?: unknown;
  /** Aborts when the answer no longer matters: the session ended, or the handler took too long. */
  signal: AbortSignal;
}

/** A call of a client's own method. */
export interface RpcCall {
  /** The method's name. */
  method: string;
  /** What the client sent along. */
  data: unknown;
  /** Id of the calling session. */
  session: string;
  /** Aborts when the answer no longer matters: the session ended, or the handler took too long. */
  signal: AbortSignal;
}

/** Answers a client's call. What it returns is the reply's `data`; a throw is answered with error 100. */
export type RpcHandler = (peer: Peer, call: RpcCall) => unknown;

/**
 * Says whether a peer may; any answer but `true` refuses, with error 103. Where it throws, rejects or takes longer than
 * `limits.answer`, nobody has answered: the command fails with error 100, upon which clients try again.
 */
export type Authorize = (peer: Peer, action: Action) => boolean | Promise<boolean>;

/** What `authenticate` finds out about a connection; everything a peer has but its `authorize`. */
export type Identity = Omit<Peer, "authorize">;

/** What a client sent along with its connect command. */
export interface ConnectCall {
  /** Its token; "" where it has sent none. */
  token: string;
  /** What the client sent along; undefined where that is nothing. */
  data: unknown;
  /** Aborts when the answer no longer matters: the session ended, or the handler took too long. */
  signal: AbortSignal;
}

/** Who is connected, fixed when it has connected, and what it may do. */
export interface Peer {
  /** The user's identity; "" for nobody in particular. */
  readonly user: string;
  /** Channels that it is subscribed to from the start, without asking. Default none. */
  readonly channels?: readonly string[] | undefined;
  /** Shown to other peers with its presence: anything JSON holds. */
  readonly info?: unknown;
  /** When its permission ends, in milliseconds since the Unix epoch. Default never. */
  readonly expires?: number | undefined;
  /** Decides about everything beyond `channels`. Default: refuses. */
  readonly authorize?: Authorize | undefined;
  /**
   * Finds out who it is, once, when its connect command has come: what it answers is who connects from then on, with this
   * peer's members where it has none itself. `null` closes with 3500, and one whose `expires` has passed is refused with
   * error 109, so that the client gets a new token. Default: it is who it was accepted as.
   */
  readonly connect?:
    | ((peer: Peer, call: ConnectCall) => Identity | null | Promise<Identity | null>)
    | undefined;
  /**
   * Checks a new token, and answers until when it holds, in milliseconds since the Unix epoch, or null, which closes with
   * 3500. Default: tokens cannot be refreshed.
   */
  readonly refresh?: ((peer: Peer, token: string) => number | null | Promise<number | null>) | undefined;
  /** Hears the client's one-way messages. Default: they are ignored. */
  readonly receive?: ((peer: Peer, data: unknown) => unknown) | undefined;
}
