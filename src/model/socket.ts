/**
 * A socket as the notifier uses it: the port that every host implements.
 *
 * - `send` with a string MUST send one text frame, and MUST NOT throw for a socket that is closing or closed.
 * - Frames MUST leave in order.
 * - After `close` or `terminate` the host MUST call `ended` of the session, once the socket is over.
 */
export interface Socket {
  /** Sends a frame: text for a string, binary for bytes. */
  send(data: string | Uint8Array): void;
  /** Begins the closing handshake. `reason` takes at most 123 bytes. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once, where the runtime can. */
  terminate?(): void;
  /** Bytes that wait to be sent, where the runtime tells. */
  readonly bufferedAmount?: number;
}

/** One connected peer, as its host sees it. */
export interface Session {
  /** The session's id, as presence shows it. */
  readonly id: string;
  /** Whether it still takes messages; a notifier's own session always says so. */
  readonly isOpen?: boolean;
  /** Takes one message of the peer's. It never throws. */
  receive(data: unknown): void;
  /** Says that the socket is over. */
  ended(code?: number): void;
}
