/**
 * A socket as the notifier uses it: the port that every host implements.
 *
 * - `send` with a string MUST send one text frame. It MUST NOT throw for a socket that is closing or closed.
 * - Frames MUST be sent in order.
 * - After `close` or `terminate` the host MUST call the session's `ended`, once the socket has closed.
 */
export interface Socket {
  /** Sends one frame: a text frame for a string, a binary frame for bytes. */
  send(data: string | Uint8Array): void;
  /** Starts the closing handshake. `reason` is at most 123 bytes long. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. Omitted if the runtime cannot do that. */
  terminate?(): void;
  /**
   * The WebSocket subprotocol that was agreed on. It decides about the encoding. Default: none, which means JSON.
   */
  readonly protocol?: string | undefined;
  /**
   * Called when the session's `state` is another than before, and can be read. For hosts whose sockets outlive the
   * memory of their process. `isUrgent`: a client that was just answered relies on it, as on a new subscription. The
   * host MUST keep such a state before the call returns. What is not urgent is how far the client has come: if it is
   * lost, the client may be sent the same publications again.
   */
  changed?(isUrgent: boolean): void;
  /**
   * Whether the host itself answers the ping commands of clients, so that the session never sees them. Clients that send
   * pings of their own then need none of the session's. Default: false.
   */
  readonly answersPings?: boolean;
  /**
   * Set if the client sends its messages by requests of their own, because the socket only leads to the client. The reply
   * to `connect` has it as `session`, and `Notifier.post` finds the session by it. Whoever knows it may send as the
   * client, so it MUST be unguessable and of its own. Default: the host calls `receive` itself.
   */
  readonly secret?: string;
}

/**
 * What a session is, as a plain value that JSON and the structured clone algorithm keep. Apart from the identity its
 * members are the notifier's own: keep it whole, and hand it to `Notifier.restore`. Another version of tocsin may refuse
 * it.
 */
export interface SessionState {
  /** The version of the format. */
  readonly format: 1;
  /** The session's id. */
  readonly id: string;
  /** The user; "" for an anonymous one. */
  readonly user: string;
  /** The channels that the server subscribes the client to. Default: none. */
  readonly channels?: readonly string[];
  /** What other peers see of the client. */
  readonly info?: unknown;
  /** When the client's permission ends, in milliseconds since the Unix epoch. Default: never. */
  readonly expires?: number;
  /** The notifier's own members. */
  readonly [member: string]: unknown;
}

/** The session of one connected peer, as its host uses it. */
export interface Session {
  /** The session's id, as it appears in presence. */
  readonly id: string;
  /** Whether the session still accepts messages. A notifier's own sessions always have this member. */
  readonly isOpen?: boolean;
  /**
   * What the session is now, for `Notifier.restore`. Undefined while something is queued for its socket, and once it has
   * ended. Functions of the peer are not part of it, and of its other members only those that `Peer` names.
   */
  readonly state?: SessionState | undefined;
  /** Handles one message of the peer. It never throws. */
  receive(data: unknown): void;
  /** Is called by the host when the socket has closed. `code` is the close code, if it is known. */
  ended(code?: number): void;
  /**
   * Is called by a host that answers pings itself, with when it last did, in milliseconds since the Unix epoch. A
   * session whose client sends pings of its own, and was not heard of for too long, is closed with 3012.
   */
  heard?(at: number): void;
}
