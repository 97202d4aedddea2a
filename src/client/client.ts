import { ClosedError } from "../model/errors.ts";
import type { EventInputsOf, EventsOf } from "../model/events.ts";
import type { History, Publication } from "../model/publication.ts";
import type { RunEventsOf } from "../model/vocabulary.ts";
import { addressOf, named, positionOf, refuse } from "./input.ts";
import { createLink } from "./link.ts";
import type { PresenceResult } from "./messages.ts";
import type {
  CallOptions,
  ClientAddress,
  ClientFollowOptions,
  ClientHistoryOptions,
  ClientPresence,
  ClientRun,
  ClientStatus,
  ConnectOptions,
} from "./options.ts";
import { createRun, pageOf } from "./run.ts";

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
