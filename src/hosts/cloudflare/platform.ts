import type { ObjectStorage as SqlStorage } from "../../stores/sqlite/object-port.ts";

/** The `readyState` of an open socket. */
export const open = 1;

/** A WebSocket that outlives the memory of its object. */
export interface HibernatableSocket {
  /** 0 while connecting, 1 while open, 2 while closing, 3 once closed. */
  readonly readyState: number;
  /** Sends a message. */
  send(data: string | ArrayBuffer | Uint8Array): void;
  /** Starts the closing handshake, or answers it. */
  close(code?: number, reason?: string): void;
  /** Keeps a value of at most 16 384 bytes with the socket. */
  serializeAttachment(value: unknown): void;
  /** Returns the value that is kept with the socket, or null. */
  deserializeAttachment(): unknown;
}

/** The storage of an object, as far as it is used here. */
export interface ObjectStorage extends SqlStorage {
  getAlarm(): Promise<number | null>;
  setAlarm(time: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

/** The state of an object, as far as it is used here. */
export interface ObjectState {
  readonly id: { toString(): string };
  readonly storage: ObjectStorage;
  acceptWebSocket(socket: HibernatableSocket, tags: string[]): void;
  getWebSockets(tag: string): HibernatableSocket[];
  setWebSocketAutoResponse(pair: unknown): void;
  getWebSocketAutoResponseTimestamp(socket: HibernatableSocket): Date | null;
  waitUntil(promise: Promise<unknown>): void;
}

/** A namespace of objects, as a Worker has it in its `env`. */
export interface ObjectNamespace {
  idFromName(name: string): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the platform's class of ids is not known here
  get(id: any): { fetch(request: Request): Promise<Response> };
}

interface Globals {
  readonly WebSocketPair?: new () => { 0: HibernatableSocket; 1: HibernatableSocket };
  readonly WebSocketRequestResponsePair?: new (request: string, response: string) => unknown;
}

const globals = globalThis as Globals;

/** Creates two connected sockets: one for the client, and one for the object. */
export function socketPair(): { client: HibernatableSocket; server: HibernatableSocket } {
  const { 0: client, 1: server } = new (globals.WebSocketPair as NonNullable<Globals["WebSocketPair"]>)();
  return { client, server };
}

/** Creates a message that the platform answers itself, with the object asleep. */
export function autoResponse(request: string, response: string): unknown {
  return new (globals.WebSocketRequestResponsePair as NonNullable<Globals["WebSocketRequestResponsePair"]>)(
    request,
    response,
  );
}
