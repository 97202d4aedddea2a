import type { Clock } from "../base/clock.ts";
import type { ReplyError } from "../model/errors.ts";
import type { Position } from "../model/log.ts";
import type { Publication } from "../model/publication.ts";
import type { RunStatus } from "../model/run-event.ts";
import type { ClientSocket } from "./socket.ts";

/** How a client is connected: it dials, it is, it waits to dial again, or it is closed for good. */
export type ClientStatus = "connecting" | "connected" | "waiting" | "closed";

/** How a client connects. Each member may be left out. */
export interface ConnectOptions {
  /** Closes the client when it aborts; what waits then rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Says who connects, where the server asks for it. */
  token?: string | undefined;
  /**
   * Gets a token, where there is none, and after one expired; `""` is for a guest, who connects without. Where it throws,
   * rejects or takes more than 10 s, upon which its signal aborts, the client waits and tries again, and `onStatus` has the `cause`.
   */
  getToken?: ((context: { signal: AbortSignal }) => string | Promise<string>) | undefined;
  /** Sent along with the connect command: anything JSON holds. */
  data?: unknown;
  /** The class of its sockets. Default: the runtime's own; Node 20 has none, where that of `ws` will do. */
  WebSocket?: (new (url: string) => ClientSocket) | undefined;
  /** Default: the machine's. */
  clock?: Pick<Clock, "timer" | "random"> | undefined;
  /** Characters of JSON that may wait for one reader; what is more stays on the server until those are read. Default: 1 048 576. */
  buffer?: number | undefined;
  /**
   * Hears how it is connected, whenever that changes, and why it was lost or refused: `code` and `message`; `tries` and, where
   * the runtime tells it, the HTTP `status` while no connection can be made; `cause`. What it throws goes to the console.
   */
  onStatus?: ((status: ClientStatus, why?: ReplyError) => void) | undefined;
}

/** What a call may be given. */
export interface CallOptions {
  /** Ends the waiting when it aborts; the call rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** Where following begins: after a position, or with what is published from now on. */
export interface ClientFollowOptions extends CallOptions {
  /** `{ offset: 0, epoch: "" }` is the start. */
  after?: Position | undefined;
}

/** Which part of a channel's history is asked for. */
export interface ClientHistoryOptions extends ClientFollowOptions {
  /** Publications at most. Default: as many as the server gives at once; go on after the last one for more. */
  limit?: number | undefined;
}

/** Who is on a channel. */
export interface ClientPresence {
  /** Their sessions, users, and what their identities say of them. */
  readonly clients: readonly { readonly session: string; readonly user: string; readonly info?: unknown }[];
}

/** A run, as a client sees it. Iterating it yields its events, from its start unless `after` says otherwise. */
export interface ClientRun<Event = unknown, R = unknown> extends AsyncIterable<Publication<Event>, R, void> {
  /** The run's id, without `run:`. */
  readonly id: string;
  /** What was last heard of it here, where reading it was refused too; undefined before anything was. */
  readonly status: RunStatus | undefined;
  /**
   * Waits for its ending. Rejects with a `RunError` when it failed, a `CancelError` when it was cancelled, a `ReplyError`
   * when it is not there or not for this user, a `GapError` when its channel was trimmed, or the reason of `signal`.
   */
  result(options?: CallOptions): Promise<R>;
  /** Asks it to stop, and answers whether it was asked, had finished, or is unknown. Its ending says what came of it. */
  cancel(reason?: string, options?: CallOptions): Promise<"requested" | "finished" | "unknown">;
}

/** Where a client connects: an address, or what gives one for each connection, as a ticket in it asks for. */
export type ClientAddress =
  | string
  | URL
  | ((context: { signal: AbortSignal }) => string | URL | Promise<string | URL>);
