/** The part of a WebSocket that a client uses. Every standard WebSocket has it. */
export interface ClientSocket {
  /** Is called when the connection opens. */
  onopen: ((event: never) => unknown) | null;
  /** Is called with each message, in `data`. */
  onmessage: ((event: never) => unknown) | null;
  /** Is called when the connection has closed, with `code` and `reason`. */
  onclose: ((event: never) => unknown) | null;
  /** Is called on an error. `onclose` follows. */
  onerror: ((event: never) => unknown) | null;
  /** Sends a text message. */
  send(data: string): void;
  /** Starts the closing handshake. */
  close(code?: number): void;
  /** Ends the connection without waiting for the peer. Optional: not every WebSocket class has it. */
  terminate?(): void;
}

/** A class of sockets. `url` is a `ws:` or `wss:` address. */
export type SocketClass = new (url: string) => ClientSocket;
