import { DurableObject } from "cloudflare:workers";
import { Hono } from "hono";
import type { Presence } from "../../engine/hub/presence.ts";
import type { HistoryOptions } from "../../engine/notifier/history.ts";
import type { Notifier, PublishOptions } from "../../engine/notifier/notifier.ts";
import type { Position } from "../../model/log.ts";
import type { History } from "../../model/publication.ts";
import type { RunState } from "../../model/run.ts";
import type { SqliteLog } from "../../stores/sqlite/sqlite-log.ts";
import { Life } from "./life.ts";
import type { NotifierObjectOptions } from "./options.ts";
import type { HibernatableSocket, ObjectState } from "./platform.ts";

/** Where a publication is. */
export interface Published {
  /** The channel's name. */
  readonly channel: string;
  /** The position of the publication in the channel. */
  readonly position: Position;
}

/**
 * A value as a stub returns it. Instead of `unknown` it has `{} | null`, which is anything that JSON can hold: with
 * `unknown`, the types of the platform would turn the whole value into `never`.
 */
export type Sent<T> = {
  // biome-ignore lint/complexity/noBannedTypes: it is meant as what is not null
  [Name in keyof T]: unknown extends T[Name] ? {} | null : Sent<T[Name]>;
};

/** What the log says of a run. */
export type StoredRunState = Omit<RunState, "result" | "cancel">;

/**
 * A Durable Object with a notifier and a Hono app. Extend it, and export the class from your Worker; `route` sends
 * requests to its objects.
 *
 * Its channels, runs, tickets and confirmed publications are kept in the object's storage. While nothing happens the
 * object sleeps, and its clients stay connected: the next message, publication, alarm or call wakes it, and it goes on as
 * if it had never slept. A run that works keeps it awake. A run that the platform ends together with the object is
 * reported as `lost`, once.
 *
 * The methods `publish`, `history`, `presence`, `findRun` and `cancelRun` are for other code of your Worker, which calls
 * them on a stub of the object. Clients cannot call them. Override `alarm` only with `await super.alarm()`, and let `wakeAt`
 * set the alarm: the object has only one.
 *
 * @example
 * ```ts
 * export class Notifications extends NotifierObject {
 *   readonly tickets = createTickets({ log: this.log });
 *
 *   protected override options(): NotifierObjectOptions {
 *     return {
 *       // Verify here who it is, by a cookie or a ticket: a header that a client can send proves nothing.
 *       authenticate: (c) => this.tickets.redeem(c),
 *       authorize: (peer, { type, channel }) => type === "subscribe" && channel === `user:${peer.user}`,
 *     };
 *   }
 * }
 * ```
 */
export class NotifierObject<Env = unknown> extends DurableObject<Env> {
  #life: Life | undefined;
  #isBeginning = false;

  /**
   * Returns the options of the notifier, and how connections are accepted. It is called once in each life of the object,
   * before its first use: only functions among the options may use the notifier, the log, or members that are made of
   * them. Default: everybody is accepted as an anonymous user, who may do nothing.
   */
  protected options(): NotifierObjectOptions {
    return {};
  }

  /**
   * Returns more routes of the object, and middleware for all of them. Requests that no route answers are upgraded to
   * notifications. It is called once in each life of the object. Default: none.
   */
  // biome-ignore lint/suspicious/noExplicitAny: an app with any variables and bindings has to fit
  protected app(): Hono<any> {
    return new Hono();
  }

  /** The notifier of this object. */
  protected get notifier(): Notifier {
    return this.#awake.notifier;
  }

  /** The log of this object. `tickets` of `tocsin/tickets` can keep its tickets there. */
  protected get log(): SqliteLog {
    return this.#awake.log;
  }

  /**
   * Wakes the object at a time, in milliseconds since the Unix epoch. `alarm` is called then, as it is for the object's
   * own waits, so look there whether your time has come. A time that has passed wakes it soon. Throws a RangeError for
   * what is not such a time: a number of seconds, or a year after 2188.
   */
  protected wakeAt(time: number): void {
    this.#awake.wakeAt(time);
  }

  // Publishing to JSR checks the class without its base, so that nothing here may say `override`.

  /** Answers a request of the Worker: by a route of `app`, or by the upgrade to notifications. */
  async fetch(request: Request): Promise<Response> {
    return this.#awake.fetch(request);
  }

  /** Called by the platform for each message of a client. */
  webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    this.#last.message(socket as unknown as HibernatableSocket, message);
  }

  /** Called by the platform when a client has closed its socket, or has lost it. */
  webSocketClose(socket: WebSocket, code: number, reason: string): void {
    this.#last.ended(socket as unknown as HibernatableSocket, code, reason);
  }

  /** Called by the platform when a socket has failed. */
  webSocketError(socket: WebSocket): void {
    this.#last.ended(socket as unknown as HibernatableSocket, 1006, "");
  }

  /** Called by the platform when the alarm rings: for the object's own long waits, and at the times of `wakeAt`. */
  async alarm(): Promise<void> {
    await this.#awake.ring();
  }

  /** Publishes, for other code of the Worker; see `Notifier.publish`. Resolves once the publication is stored. */
  async publish(
    channel: string,
    data: unknown,
    options?: Omit<PublishOptions, "signal">,
  ): Promise<Published> {
    const { position } = await this.notifier.publish(channel, data, options);
    return { channel, position };
  }

  /** Returns the publications that are kept of a channel, for other code of the Worker; see `Notifier.history`. */
  async history(channel: string, options?: Omit<HistoryOptions, "signal">): Promise<Sent<History>> {
    return (await this.notifier.history(channel, options)) as Sent<History>;
  }

  /** Returns the clients that are subscribed to a channel, for other code of the Worker. */
  async presence(channel: string): Promise<Sent<Presence>> {
    return (await this.notifier.presence(channel)) as Sent<Presence>;
  }

  /** Returns what the log says of a run, for other code of the Worker. Undefined if it does not know the run. */
  async findRun(id: string): Promise<StoredRunState | undefined> {
    const found = await this.notifier.runs.find(id);
    if (found === undefined) return undefined;
    const { name, owner, status, started, ended } = found;
    return { id, name, owner, status, started, ended };
  }

  /**
   * Cancels a run, for other code of the Worker. Returns whether it still worked, once it has ended; false if the object
   * does not run it.
   */
  async cancelRun(id: string, reason?: string): Promise<boolean> {
    const run = this.notifier.runs.get(id);
    if (run?.status !== "working") return false;
    await run.cancel(reason);
    return true;
  }

  /** What becomes of the sockets of a life that is over is no reason to begin another one. */
  get #last(): Life {
    return this.#life ?? this.#awake;
  }

  get #awake(): Life {
    if (this.#life === undefined || this.#life.isOver) this.#life = this.#begin();
    return this.#life;
  }

  #begin(): Life {
    if (this.#isBeginning)
      throw new Error(
        "Cannot use the notifier in options(): it is made of them. Use it in functions among them",
      );
    this.#isBeginning = true;
    try {
      const { ctx: state, env } = this as unknown as { ctx: ObjectState; env: Env };
      return new Life({ state, env, options: this.options(), app: () => this.app() });
    } finally {
      this.#isBeginning = false;
    }
  }
}
