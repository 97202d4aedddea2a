/** What a peer asks to do with a channel. */
export interface Action {
  type: "subscribe" | "publish" | "history" | "presence";
  channel: string;
  /** What the client sent along: the subscription's `data`, or the payload to publish. */
  data?: unknown;
  /** Aborts when the answer no longer matters: the session ended, or the handler took too long. */
  signal: AbortSignal;
}

/** A call of a client's own method. */
export interface RpcCall {
  method: string;
  data: unknown;
  /** Id of the calling session. */
  session: string;
  /** Aborts when the answer no longer matters: the session ended, or the handler took too long. */
  signal: AbortSignal;
}

/** Answers a client's call. What it returns is the reply's `data`; a throw is answered with error 100. */
export type RpcHandler = (peer: Peer, call: RpcCall) => unknown;

/** Says whether a peer may; anything but `true`, a throw included, refuses. */
export type Authorize = (peer: Peer, action: Action) => boolean | Promise<boolean>;

/** Who is connected, fixed when the connection is accepted, and what it may do. */
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
   * Checks a new token, and answers until when it holds, in milliseconds since the Unix epoch, or null to refuse it.
   * Default: tokens cannot be refreshed.
   */
  readonly refresh?: ((peer: Peer, token: string) => number | null | Promise<number | null>) | undefined;
  /** Hears the client's one-way messages. Default: they are ignored. */
  readonly receive?: ((peer: Peer, data: unknown) => unknown) | undefined;
}
