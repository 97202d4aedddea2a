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
}

/** The session of one connected peer, as its host uses it. */
export interface Session {
  /** The session's id, as it appears in presence. */
  readonly id: string;
  /** Whether the session still accepts messages. A notifier's own sessions always have this member. */
  readonly isOpen?: boolean;
  /** Handles one message of the peer. It never throws. */
  receive(data: unknown): void;
  /** Is called by the host when the socket has closed. `code` is the close code, if it is known. */
  ended(code?: number): void;
}
