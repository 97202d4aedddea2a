/**
 * The client's way where WebSockets do not pass: a stream of a response and requests of their own, over `fetch`. Give it
 * to `connect` behind the WebSocket class, which is then tried first.
 *
 * @example
 * ```ts
 * import { connect } from "tocsin/client";
 * import { httpSocket } from "tocsin/client/http";
 *
 * const client = connect("wss://example.com/notifications", { WebSocket: [WebSocket, httpSocket] });
 * ```
 *
 * @module
 */

export { httpSocket } from "./client/http.ts";
export type { ClientSocket, SocketClass } from "./client/socket.ts";
