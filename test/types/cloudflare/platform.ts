import type {
  HibernatableSocket,
  ObjectNamespace,
  ObjectState,
  ObjectStorage,
} from "../../../src/hosts/cloudflare/platform.ts";
import type { ObjectStorage as SqlStorage } from "../../../src/stores/sqlite/object-port.ts";

// What the sources declare of the platform matches the types of the platform.

/** Methods as function properties: TypeScript compares the parameters of these strictly. */
type Strict<T> = { [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => R : T[K] };

declare const object: DurableObjectState;
declare const storage: Strict<DurableObjectStorage>;
declare const webSocket: Strict<WebSocket>;
declare const namespace: DurableObjectNamespace;

/** Its methods that take sockets are compared less strictly: the sources know a part of a socket only. */
export const state: ObjectState = object;
export const ownStorage: Strict<ObjectStorage> = storage;
export const sqlStorage: Strict<SqlStorage> = storage;
export const socket: Strict<HibernatableSocket> = webSocket;
export const objects: ObjectNamespace = namespace;
export const { 0: client, 1: server }: { 0: HibernatableSocket; 1: HibernatableSocket } = new WebSocketPair();
export const pair: Parameters<DurableObjectState["setWebSocketAutoResponse"]>[0] =
  new WebSocketRequestResponsePair("ping", "pong");
