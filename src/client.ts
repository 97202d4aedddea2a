/**
 * The client: follows channels and runs over one WebSocket, acknowledges what was handled, comes back where it was, and
 * leaves nothing behind when it is closed. It runs in browsers, Node, Bun, Deno and Workers.
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

import { addressOf, named, positionOf, refuse } from "./client-input.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { Clock } from "./clock.ts";
import { ClosedError, type ReplyError } from "./errors.ts";
import type { EventInputsOf, EventsOf } from "./events.ts";
import { type ClientStatus, createLink } from "./link.ts";
import { createRun, pageOf } from "./linked-run.ts";
import type { Position } from "./log.ts";
import type { History, Publication } from "./publication.ts";
import type { PresenceResult } from "./reply.ts";
import type { RunStatus } from "./run.ts";
import type { RunEventsOf } from "./vocabulary.ts";

export type { ClientSocket } from "./client-socket.ts";
export {
  CancelError,
  ClosedError,
  GapError,
  ReplyError,
  type ReplyErrorOptions,
  RunError,
} from "./errors.ts";
export type { ClientStatus } from "./link.ts";
export type { History, Publication } from "./publication.ts";

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

/** A client of one notifier. Disposing of it closes it. */
export interface Client<Event = unknown, Input = unknown, OfRun = unknown> extends AsyncDisposable {
  /** How it is connected now. */
  readonly status: ClientStatus;
  /** A run of that id, or of that channel (`run:<id>`). Nothing is asked before it is read. */
  run<R = unknown>(id: string, options?: ClientFollowOptions): ClientRun<OfRun, R>;
  /**
   * Yields a channel's publications, across connections, each once and in order. Asking for the next one acknowledges the
   * last; leaving the loop acknowledges nothing and cancels nothing.
   *
   * Throws a `GapError` where some are gone, a `ReplyError` when the server refuses, the reason of `signal`, or a
   * `ClosedError` when the client is closed.
   */
  follow(channel: string, options?: ClientFollowOptions): AsyncGenerator<Publication<Event>, void, void>;
  /** Publishes. Rejects with a `ReplyError` when it is refused, or when the connection ends before that is known. */
  publish(channel: string, data: Input, options?: CallOptions): Promise<void>;
  /** Calls a method of the server's. Rejects as `publish` does. */
  rpc(method: string, data?: unknown, options?: CallOptions): Promise<unknown>;
  /** Reads what is kept of a channel. Rejects with a `ReplyError` 112 when what follows `after` is no longer whole. */
  history(channel: string, options?: ClientHistoryOptions): Promise<History<Event>>;
  /** Reads who is on a channel. Rejects as `publish` does. */
  presence(channel: string, options?: CallOptions): Promise<ClientPresence>;
  /** Closes. What waits rejects with a `ClosedError`. Settles once nothing is left, 2 s later at most; calling it again answers the same promise. */
  close(): Promise<void>;
}

/** Where a client connects: an address, or what gives one for each connection, as a ticket in it asks for. */
export type ClientAddress =
  | string
  | URL
  | ((context: { signal: AbortSignal }) => string | URL | Promise<string | URL>);

/**
 * Connects to a notifier, and stays connected until it is closed, its signal aborts, or the server wants it gone.
 *
 * `connect<typeof notifier>(url)` takes the types of events from the server's notifier. `http` in the URL is taken for
 * `ws`; in a browser it may be relative. A function is asked for the URL before each connection; where it throws, rejects or
 * takes more than 10 s the client waits, and tries again. Throws a TypeError for what is no URL, where there is no WebSocket,
 * or for `data` that JSON cannot hold.
 *
 * What is asked of the client rejects with a TypeError, or throws it, where it cannot be sent: a value that JSON cannot
 * hold, a position or a name that is none. Nothing of that call is sent then, and all else goes on.
 *
 * @example
 * ```ts
 * import { connect } from "tocsin/client";
 *
 * const client = connect(async ({ signal }) => {
 *   const response = await fetch("/ticket", { signal });
 *   const { ticket } = await response.json();
 *   return `/notifications?ticket=${ticket}`; // lets one connection in
 * });
 * ```
 */
export function connect<N = unknown>(
  url: ClientAddress,
  options: ConnectOptions = {},
): Client<EventsOf<N>, EventInputsOf<N>, RunEventsOf<N>> {
  const link = createLink(typeof url === "function" ? url : addressOf(url), options);
  const close = (): Promise<void> => link.close(new ClosedError("Cannot go on: the client is closed"));
  const client: Client = {
    get status() {
      return link.status;
    },
    run<R>(id: string, { after, signal }: ClientFollowOptions = {}): ClientRun<unknown, R> {
      named("follow", id);
      return createRun<R>(link, id.replace(/^run:/, ""), { after: positionOf(after), signal });
    },
    follow(channel, { after, signal } = {}) {
      named("follow", channel);
      return link.feed.read(channel, { after: positionOf(after), signal });
    },
    async publish(channel, data, options) {
      if (data === undefined) refuse("publish", "there is no data");
      await link.call("publish", "publish to", { channel, data }, options);
    },
    async rpc(method, data, options) {
      return (await link.call<{ data?: unknown }>("rpc", "call", { method, data }, options)).data;
    },
    async history(channel, { after, limit = -1, signal } = {}) {
      return pageOf(link, { channel, limit, since: positionOf(after) }, { signal });
    },
    async presence(channel, options) {
      const { presence } = await link.call<PresenceResult>("presence", "see", { channel }, options, true);
      const clients = Object.entries(presence).map(([session, { user, conn_info: info }]) => {
        return { session, user, info };
      });
      return { clients };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  return client as unknown as Client<EventsOf<N>, EventInputsOf<N>, RunEventsOf<N>>;
}
