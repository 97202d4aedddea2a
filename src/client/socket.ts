/** What a client needs of a WebSocket: less than the standard's. */
export interface ClientSocket {
  /** Hears that it is open. */
  onopen: ((event: never) => unknown) | null;
  /** Hears a message, in `data`. */
  onmessage: ((event: never) => unknown) | null;
  /** Hears that it is closed, with `code` and `reason`. */
  onclose: ((event: never) => unknown) | null;
  /** Hears that something went wrong; `onclose` follows. */
  onerror: ((event: never) => unknown) | null;
  /** Sends a text message. */
  send(data: string): void;
  /** Begins the closing handshake. */
  close(code?: number): void;
  /** Ends the connection without waiting for the other side, where there is such a thing. */
  terminate?(): void;
}
