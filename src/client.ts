/**
 * The client: follows channels and runs over one WebSocket, acknowledges what was handled, resumes at the last position
 * after a reconnect, and leaves nothing behind when it is closed. It runs in browsers, Node, Bun, Deno and Workers.
 *
 * @example
 * ```ts
 * import { connect } from "tocsin/client";
 *
 * const client = connect("wss://example.com/notifications");
 * for await (const { data } of client.follow("news")) console.log(data);
 * ```
 *
 * @module
 */

export { type Client, connect } from "./client/client.ts";
export type {
  CallOptions,
  ClientAddress,
  ClientFollowOptions,
  ClientHistoryOptions,
  ClientPresence,
  ClientRun,
  ClientStatus,
  ConnectOptions,
} from "./client/options.ts";
export type { ClientSocket, SocketClass } from "./client/socket.ts";
export {
  CancelError,
  ClosedError,
  GapError,
  ReplyError,
  type ReplyErrorOptions,
  RunError,
} from "./model/errors.ts";
export type { History, Publication } from "./model/publication.ts";
