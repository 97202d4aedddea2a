import type { Clock } from "../base/clock.ts";
import type { ReplyError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Publication } from "../model/publication.ts";
import type { RunStatus } from "../model/run-event.ts";
import type { SocketClass } from "./socket.ts";

/** The state of a client: it connects, is connected, waits before it reconnects, or is closed for good. */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

/** How a client connects. All members are optional. */
export interface ConnectOptions {
  /** Closes the client when it aborts. Pending calls and iterations then reject with its reason. */
  signal?: AbortSignal | undefined;
  /** The token that authenticates the client, if the server requires one. */
  token?: string | undefined;
  /**
   * Returns a token. Is called when there is none, and after a token has expired. `""` connects as a guest, without a
   * token. When it throws, rejects or takes more than 10 s, the client waits and tries again. `onStatus` is called with
   * the error as `cause`. `signal` aborts after the 10 s.
   */
  getToken?: ((context: { signal: AbortSignal }) => string | Promise<string>) | undefined;
  /** Any JSON value. It is sent with the connect command. */
  data?: unknown;
  /**
   * The WebSocket class to use, or a list of classes to try one after the other, for example
   * `[WebSocket, httpSocket]` with that of `tocsin/client/http`. Default: the runtime's own. Node 20 has none: give the
   * one of `ws`.
   *
   * The next class is tried when a socket ends before its first message, or has not opened within 2.5 s. The client
   * keeps to the one that worked. Reconnects after more than 5 minutes begin with the first one again.
   */
  WebSocket?: SocketClass | readonly SocketClass[] | undefined;
  /** The timers and random numbers to use. Default: the system's. */
  clock?: Pick<Clock, "timer" | "random"> | undefined;
  /**
   * Characters of JSON that may wait for one reader. Anything more stays on the server until those are read. Default:
   * 1 048 576.
   */
  buffer?: number | undefined;
  /**
   * Is called whenever the status changes. `why` is given when the connection was lost or refused. Its `code` and
   * `message` give the reason, its `cause` the error behind it. While no connection can be made, it also has `tries`
   * and, where the runtime exposes it, the HTTP `status`. `way` is the index of the class in `WebSocket` that is used,
   * or was used last: 0 if there is no list. What this function throws is written to the console.
   */
  onStatus?: ((status: ClientStatus, why: ReplyError | undefined, way: number) => void) | undefined;
}

/** The options of a call. */
export interface CallOptions {
  /** Stops waiting when it aborts. The call rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/**
 * Where following starts: after a position, or, without one, at the start of a run or with new publications of a
 * channel.
 */
export interface ClientFollowOptions extends CallOptions {
  /** The position to start after. `{ offset: 0, epoch: "" }` is the start of the log. */
  after?: Position | undefined;
}

/** Which part of a channel's history to read. */
export interface ClientHistoryOptions extends ClientFollowOptions {
  /**
   * The maximum number of publications. Default: as many as the server returns at once. To read more, start after the
   * last.
   */
  limit?: number | undefined;
}

/** The clients on a channel. */
export interface ClientPresence {
  /** Each client's session and user, and the `info` of its identity. */
  readonly clients: readonly { readonly session: string; readonly user: string; readonly info?: unknown }[];
}

/** A run, seen by a client. Iterating it yields its events: after the position `after`, or from its start. */
export interface ClientRun<Event = unknown, R = unknown> extends AsyncIterable<Publication<Event>, R, void> {
  /** The run's id, without `run:`. */
  readonly id: string;
  /** The last status that this client received, even if reading then failed. Undefined before the first one. */
  readonly status: RunStatus | undefined;
  /**
   * Waits for the run to end, and returns its result. Rejects with a `RunError` when it failed, a `CancelError` when it
   * was cancelled, a `ReplyError` when it does not exist or this user may not read it, a `GapError` when its channel
   * was trimmed, or the reason of `signal`.
   */
  result(options?: CallOptions): Promise<R>;
  /**
   * Asks the run to stop. Returns whether it was asked, had already finished, or is unknown. The run's ending tells
   * whether it was cancelled.
   */
  cancel(reason?: string, options?: CallOptions): Promise<"requested" | "finished" | "unknown">;
}

/**
 * Where a client connects: a URL, or a function that returns one for each connection, for example with a ticket in it.
 */
export type ClientAddress =
  | string
  | URL
  | ((context: { signal: AbortSignal }) => string | URL | Promise<string | URL>);
