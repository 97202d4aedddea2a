/** An action on a channel that a peer requests. */
export interface Action {
  /**
   * The kind of action. `cancel` cancels the channel's run. The decision about it counts only for runs that were
   * started with `cancel: "authorized"`.
   */
  type: "subscribe" | "publish" | "history" | "presence" | "cancel";
  /** The channel's name. */
  channel: string;
  /** The data of the command: the subscription's `data`, the payload to publish, or the reason to cancel. */
  data?: unknown;
  /**
   * Aborts when the result is no longer needed: the session has ended, or the handler took longer than `limits.answer`.
   */
  signal: AbortSignal;
}

/** A client's call of an rpc method of yours. */
export interface RpcCall {
  /** The method's name. */
  method: string;
  /** The `data` of the call. */
  data: unknown;
  /** The id of the calling session. */
  session: string;
  /**
   * Aborts when the result is no longer needed: the session has ended, or the handler took longer than `limits.answer`.
   */
  signal: AbortSignal;
}

/**
 * Handles a client's rpc call. Its return value is the reply's `data`. If it throws or rejects, the client gets error
 * 100.
 */
export type RpcHandler = (peer: Peer, call: RpcCall) => unknown;

/**
 * Decides whether a peer may do an action. Any result except `true` refuses, with error 103. If it throws, rejects or
 * takes longer than `limits.answer`, the command fails with error 100, which is temporary: clients try again.
 */
export type Authorize = (peer: Peer, action: Action) => boolean | Promise<boolean>;

/** The identity that `authenticate` returns: all members of a peer except `authorize`. */
export type Identity = Omit<Peer, "authorize">;

/** The content of a client's connect command. */
export interface ConnectCall {
  /** The client's token. "" if it sent none. */
  token: string;
  /** The `data` of the command. Undefined if the client sent none. */
  data: unknown;
  /**
   * Aborts when the result is no longer needed: the session has ended, or the handler took longer than `limits.answer`.
   */
  signal: AbortSignal;
}

/** The identity of a connected client, and what the client may do. It is fixed once the client has connected. */
export interface Peer {
  /** The user's identity. "" for an anonymous client. */
  readonly user: string;
  /** Channels that the server subscribes the client to when it connects. Default: none. */
  readonly channels?: readonly string[] | undefined;
  /** Data that other peers see in `presence`. It can be anything that JSON can represent. */
  readonly info?: unknown;
  /** When the client's permission ends, in milliseconds since the Unix epoch. Default: never. */
  readonly expires?: number | undefined;
  /** Decides about every action that `channels` and runs do not allow. Default: refuses all of them. */
  readonly authorize?: Authorize | undefined;
  /**
   * Identifies the client when its connect command arrives. It is called once. The members of the identity that it
   * returns replace those of this peer; the other members stay. `null` closes with 3500. An identity whose `expires`
   * has passed is refused with error 109, so that the client gets a new token. Default: this peer stays as it is.
   */
  readonly connect?:
    | ((peer: Peer, call: ConnectCall) => Identity | null | Promise<Identity | null>)
    | undefined;
  /**
   * Checks a new token. Returns when the token expires, in milliseconds since the Unix epoch, or null, which closes
   * with 3500. Default: tokens cannot be refreshed.
   */
  readonly refresh?: ((peer: Peer, token: string) => number | null | Promise<number | null>) | undefined;
  /** Is called with each one-way message of the client. Default: such messages are ignored. */
  readonly receive?: ((peer: Peer, data: unknown) => unknown) | undefined;
}
