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
  /** The current state of the connection. */
  readonly status: ClientStatus;
  /**
   * Returns a handle for a run, by its id or its channel (`run:<id>`). Sends nothing until the handle is iterated or
   * one of its methods is called.
   */
  run<R = unknown>(id: string, options?: ClientFollowOptions): ClientRun<OfRun, R>;
  /**
   * Yields the publications of a channel, each once and in order, across reconnects. Asking for the next publication
   * acknowledges the previous one. Leaving the loop does not acknowledge the current one, and cancels nothing.
   *
   * Throws a `GapError` when publications are missing from the log, a `ReplyError` when the server refuses, the reason
   * of `signal`, or a `ClosedError` when the client is closed.
   */
  follow(channel: string, options?: ClientFollowOptions): AsyncGenerator<Publication<Event>, void, void>;
  /**
   * Publishes to a channel. Rejects with a `ReplyError` when the server refuses, or when the connection ends before the
   * reply arrives.
   */
  publish(channel: string, data: Input, options?: CallOptions): Promise<void>;
  /** Calls a method of the server, and returns its result. Rejects as `publish` does. */
  rpc(method: string, data?: unknown, options?: CallOptions): Promise<unknown>;
  /**
   * Reads the publications that the log still holds. Rejects with a `ReplyError` when the server refuses: 112 when
   * publications after `after` are missing from the log. Is sent again when the connection ends before the reply
   * arrives.
   */
  history(channel: string, options?: ClientHistoryOptions): Promise<History<Event>>;
  /**
   * Reads which clients are on a channel. Rejects with a `ReplyError` when the server refuses. Is sent again when the
   * connection ends before the reply arrives.
   */
  presence(channel: string, options?: CallOptions): Promise<ClientPresence>;
  /**
   * Closes the client. Pending calls and iterations reject with a `ClosedError`. Settles once nothing is left, after 2
   * s at most. Further calls return the same promise.
   */
  close(): Promise<void>;
}

/**
 * Connects to a notifier, and reconnects until the client is closed, its signal aborts, or the server refuses it for
 * good.
 *
 * `connect<typeof notifier>(url)` takes the types of events from the server's notifier. `http` in the URL becomes `ws`.
 * In a browser the URL may be relative. A function is called for the URL before each connection. When the function
 * throws, rejects or takes more than 10 s, the client waits and tries again. Throws a TypeError for an invalid URL,
 * when there is no WebSocket class, for a `token` that is not a string, or for `data` that cannot be sent as JSON.
 *
 * Methods of the client reject with a TypeError, or throw one, when an argument cannot be sent: a value that JSON
 * cannot represent, an invalid position or an invalid name. Then nothing of that call is sent, and other calls are not
 * affected.
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
      return createRun<R>(link, id.replace(/^run:/, ""), positionOf(after), signal);
    },
    follow(channel, { after, signal } = {}) {
      named("follow", channel);
      return link.feed.read(channel, positionOf(after), signal);
    },
    async publish(channel, data, options) {
      if (data === undefined) refuse("publish", "no data");
      await link.call("publish", "publish to", { channel, data }, options?.signal);
    },
    async rpc(method, data, options) {
      return (await link.call<{ data?: unknown }>("rpc", "call", { method, data }, options?.signal)).data;
    },
    async history(channel, { after, limit = -1, signal } = {}) {
      return pageOf(link, { channel, limit, since: positionOf(after) }, signal);
    },
    async presence(channel, options) {
      const { presence } = await link.call<PresenceResult>(
        "presence",
        "see",
        { channel },
        options?.signal,
        true,
      );
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
