import { checkChannel, checkPeer } from "../../access/peer-check.ts";
import { checkBound } from "../../base/check.ts";
import { systemClock } from "../../base/clock.ts";
import { errorToConsole } from "../../base/console.ts";
import { ignorable, inWords, type Pending } from "../../base/scope.ts";
import { ClosedError, closed } from "../../model/errors.ts";
import type { EventInput, EventOutput, EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Peer } from "../../model/peer.ts";
import type { History, Publication } from "../../model/publication.ts";
import type { Receipt } from "../../model/receipt.ts";
import type { Refused } from "../../model/refused.ts";
import type { Run, RunOptions, Task } from "../../model/run.ts";
import type { Session, Socket } from "../../model/socket.ts";
import type { RunOutput, TaskEvent } from "../../model/vocabulary.ts";
import { memoryLog } from "../../stores/memory.ts";
import { jsonCodec } from "../../wire/json-codec.ts";
import { closes } from "../../wire/protocol.ts";
import { Commands } from "../commands/commands.ts";
import { checkSchemas } from "../core/event-check.ts";
import { checkAfter, checkParts } from "../core/input-check.ts";
import { type NotifierOptions, resolveSettings } from "../core/settings.ts";
import { type CloseOptions, type CloseReport, closePhases, emptyReport } from "../hub/close.ts";
import { type FollowOptions, followChannel } from "../hub/follow.ts";
import { Hub } from "../hub/hub.ts";
import { type Presence, presenceOf } from "../hub/presence.ts";
import { disconnect, refuse, unsubscribe } from "../hub/revocation.ts";
import { pendingOf, type Stats, statsOf } from "../hub/stats.ts";
import { type Totals, totalsOf } from "../hub/totals.ts";
import { LiveSession } from "../sessions/session.ts";
import { type HistoryOptions, historyOf } from "./history.ts";
import { Publisher, type PublishOptions } from "./publisher.ts";

export type { Receipt } from "../../model/receipt.ts";
export type { CloseReport, CutSession } from "../hub/close.ts";
export type { HistoryOptions } from "./history.ts";
export type { PublishOptions } from "./publisher.ts";

/** The hub: publishes, runs, follows, and accepts sessions, until it is closed. */
export interface Notifier<Schemas extends EventSchemas = EventSchemas> extends AsyncDisposable {
  // Readonly has notifiers compared member by member: by their schemas alone, one with some would not do for one without.
  /** The schemas of its events, where it was given any. */
  readonly events?: Readonly<Schemas> | undefined;
  /**
   * Writes a publication into a channel's log; whoever is subscribed gets it from there.
   *
   * While the log fails it tries again; a confirmed one waits while `limits.confirmed` others do. Rejects with a TypeError
   * for what its schema refuses, a value that JSON would change or lose or a bad channel name, a RangeError above
   * `limits.publication`, tags included, or for a bad `ttl`, a `BusyError` where `limits.waiting` bytes wait already, a
   * lasting `LogError` where the log says that trying again is of no use, the reason of `signal`, or a `ClosedError` after
   * closing began. None but the first two have to be heard: a publication that nobody awaits does not end the process, and
   * `onError` hears of the log and of the first `BusyError`.
   */
  publish(channel: string, data: EventInput<Schemas>, options?: PublishOptions): Promise<Receipt>;
  /**
   * Starts a piece of work. Throws a TypeError for a bad name, or a bad or taken id, and a `ClosedError` after closing began.
   *
   * An id may be used again once its run is forgotten (`limits.runTtl`): its channel then begins anew, with nothing of the
   * old run in it. Whoever has a position of the old run gets a `GapError`.
   */
  run<R>(task: Task<R, TaskEvent<Schemas>>, options?: RunOptions): Run<R>;
  /**
   * Yields a channel's publications, those after `after` first, then live. `{ offset: 0, epoch: "" }` is the start.
   *
   * Throws a `GapError` where that would leave a hole, the reason of `signal`, the log's own error, or a `ClosedError` when
   * the notifier closed; a TypeError or RangeError at once for what is no position. `return()` ends a `next()` that waits.
   */
  follow(
    channel: `run:${string}`,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<RunOutput<Schemas>>, void, void>;
  /** The same of a channel that is no run's. */
  follow(
    channel: string,
    options?: FollowOptions,
  ): AsyncGenerator<Publication<EventOutput<Schemas>>, void, void>;
  /**
   * Reads what is kept of a channel. Rejects with a `GapError` when what follows `after` is no longer whole, with the log's own
   * error, and with a TypeError or RangeError for what is no position or no limit.
   */
  history(channel: `run:${string}`, options?: HistoryOptions): Promise<History<RunOutput<Schemas>>>;
  /** The same of a channel that is no run's. */
  history(channel: string, options?: HistoryOptions): Promise<History<EventOutput<Schemas>>>;
  /** Tells who is on a channel now. */
  presence(channel: string): Presence;
  /** Takes a connected socket for a peer: for servers other than Hono, and for tests. */
  accept(socket: Socket, peer: Peer): Session;
  /** Says whether a user may have one more session, handshakes included; where not, it counts as a limit hit. */
  admits(user: string): boolean;
  /** The largest message that a peer may send, in bytes: `limits.message`. Hosts read no larger one. */
  readonly maxMessage: number;
  /** Like it, and keeps the place until what it answers is called, right before `accept`, or for `limits.connect`. */
  reserve(user: string): (() => void) | "sessions" | "userSessions";
  /** Runs that work, and those that ended less than `limits.runTtl` ago, as far as `limits.endedBytes` allows. */
  readonly runs: { get(id: string): Run<unknown> | undefined; list(): Run<unknown>[] };
  /**
   * Closes sessions at once, with code 3503 (do not come back) unless said otherwise. What is queued is not sent. Whoever
   * is just being let in is not there yet: take the permission away first. Throws a TypeError for whom nobody can be.
   */
  disconnect(who: { user: string } | { session: string }, code?: number): void;
  /** Ends a user's subscriptions to a channel at once: what is on its way to the socket does not leave any more. */
  unsubscribe(user: string, channel: string): void;
  /** Counts what it owns now; all zero when it is quiet. */
  stats(): Stats;
  /** What it holds in bytes, and what has happened since it began: sessions, errors, limits hit. */
  totals(): Totals;
  /** Every socket, task, wait, timer and confirmed publication owned now. */
  inspect(): Pending[];
  /** Tells the notifier's `onError`; for hosts and adapters, whose errors nobody's promise carries either. */
  report(error: unknown, context: ErrorContext): void;
  /** Counts somebody who is not let in, and tells `onRefused`; for hosts and adapters. */
  refused(refused: Refused): void;
  /** Aborts when closing begins. */
  readonly closing: AbortSignal;
  /**
   * Closes: refuses what is new, cancels runs, flushes every session and proves it, cuts what is left, closes the log.
   *
   * It settles within the grace, or when `signal` aborts, whichever is first, and never rejects. However often and from
   * wherever it is called, it is one promise, and the earliest deadline that anybody gave is the one that holds.
   * Throws a RangeError, and closes nothing, when `grace` is no number from 0 up.
   */
  close(options?: CloseOptions): Promise<CloseReport>;
  /** Settles when the notifier has closed; stays pending while nothing closes it. */
  readonly closed: Promise<CloseReport>;
}

/**
 * Makes a notifier. Nothing happens until it is first used: no timer, no random value, no listener.
 *
 * Throws a RangeError for a number that cannot be a bound, or not together with the others, and a TypeError for `events`
 * that are no schemas, or for an `rpc` method of tocsin's own.
 *
 * @example
 * ```ts
 * import { createNotifier } from "tocsin";
 *
 * const notifier = createNotifier();
 * await notifier.publish("news", { text: "It begins" });
 * await notifier.close();
 * ```
 */
export function createNotifier<Schemas extends EventSchemas = EventSchemas>(
  options: NotifierOptions<Schemas> = {},
): Notifier<Schemas> {
  // The schemas have checked what the narrower types promise.
  return new LiveNotifier(options) as unknown as Notifier<Schemas>;
}

class LiveNotifier implements Notifier {
  readonly events: EventSchemas | undefined;
  readonly maxMessage: number;
  readonly runs: Notifier["runs"];
  readonly #hub: Hub;
  readonly #commands: Commands;
  readonly #publisher: Publisher;
  readonly #signal: AbortSignal | undefined;
  #begun = false;
  #closing: AbortController | undefined;
  #isClosing = false;
  #closingSince = 0;
  /** When each phase of closing has to be over, as a share of the grace; the last is the grace itself. */
  #shares: { share: number; deadline: AbortController }[] = [];
  #settle!: (report: CloseReport) => void;
  readonly #closed: Promise<CloseReport>;

  constructor(options: NotifierOptions) {
    const { log, signal, clock = systemClock, events, onError = errorToConsole } = options;
    const settings = resolveSettings(options);
    checkSchemas(events);
    checkParts(options);
    this.events = events;
    this.maxMessage = settings.limits.message;
    const hub = new Hub({
      ...options,
      log: log ?? memoryLog({ clock }),
      clock,
      codec: jsonCodec,
      settings,
      onError,
    });
    this.#hub = hub;
    this.#commands = new Commands(hub);
    this.#publisher = new Publisher(hub);
    this.#signal = signal;
    this.#closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.runs = { get: (id) => hub.runs.get(id), list: () => hub.runs.list() };
  }

  /** Constructors are inert, so the first use looks at the signal and listens to it. */
  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    if (this.#signal?.aborted) {
      this.#isClosing = true;
      this.#closing?.abort(this.#signal.reason);
      this.#hub.end();
      this.#settle(emptyReport());
      return;
    }
    this.#hub.scope.link(this.#signal, (reason) => this.#startClosing(reason));
  }

  publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Receipt> {
    this.#begin();
    if (this.#isClosing) return ignorable(Promise.reject(closed("publish")));
    return this.#publisher.publish(channel, data, options);
  }

  run<R>(task: Task<R>, options: RunOptions = {}): Run<R> {
    this.#begin();
    if (this.#isClosing) throw closed("run");
    return this.#hub.runs.start(task, options) as Run<R>;
  }

  follow(channel: string, options: FollowOptions = {}): AsyncGenerator<Publication, void, void> {
    this.#begin();
    checkChannel(channel, this.#hub.settings.limits.channel);
    checkAfter(`follow ${JSON.stringify(channel)}`, options.after);
    return followChannel(this.#hub, channel, options);
  }

  async history(channel: string, options: HistoryOptions = {}): Promise<History> {
    this.#begin();
    return historyOf(this.#hub, channel, options);
  }

  presence(channel: string): Presence {
    return presenceOf(this.#hub, channel);
  }

  accept(socket: Socket, peer: Peer): Session {
    this.#begin();
    checkPeer(peer, this.#hub.settings.limits.channel);
    if (this.#isClosing) return refuse(this.#hub, socket, closes.shutdown);
    if (!this.admits(peer.user)) return refuse(this.#hub, socket, closes.connectionLimit);
    // Node puts it together from sixteen parts, and keeps them all for as long as nobody has to look at each character.
    const id = crypto.randomUUID().toLowerCase();
    return new LiveSession(id, { context: this.#hub, commands: this.#commands, socket, peer });
  }

  admits(user: string): boolean {
    return this.#hub.gate.limitFor(user) === undefined;
  }

  reserve(user: string): ReturnType<Notifier["reserve"]> {
    return this.#hub.gate.reserve(user);
  }

  disconnect(who: { user: string } | { session: string }, code: number = closes.disconnect.code): void {
    disconnect(this.#hub, who, code);
  }

  unsubscribe(user: string, channel: string): void {
    unsubscribe(this.#hub, user, channel);
  }

  stats(): Stats {
    return statsOf(this.#hub);
  }

  totals(): Totals {
    return totalsOf(this.#hub);
  }

  inspect(): Pending[] {
    return pendingOf(this.#hub);
  }

  report(error: unknown, { stage, owner }: ErrorContext): void {
    this.#hub.report(error, stage, owner);
  }

  refused(refused: Refused): void {
    this.#hub.gate.refused(refused);
  }

  get closing(): AbortSignal {
    this.#begin();
    if (this.#closing === undefined) {
      this.#closing = new AbortController();
      if (this.#isClosing) this.#closing.abort(new ClosedError());
    }
    return this.#closing.signal;
  }

  get closed(): Promise<CloseReport> {
    this.#begin();
    return this.#closed;
  }

  close({ signal, grace }: CloseOptions = {}): Promise<CloseReport> {
    if (grace !== undefined) checkBound("grace", grace);
    this.#begin();
    this.#startClosing(undefined);
    if (grace !== undefined) this.#limit(grace);
    this.#hub.scope.link(signal, () => this.#shares.at(-1)?.deadline.abort());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close().then(() => {});
  }

  /** Lets closing take so long at most, each phase in its share of it. */
  #limit(grace: number): void {
    const { scope, clock } = this.#hub;
    this.#hub.grace = Math.min(this.#hub.grace, grace);
    const elapsed = clock.now() - this.#closingSince;
    for (const { share, deadline } of this.#shares) {
      scope.timer("grace", grace * share - elapsed, () => deadline.abort());
    }
  }

  #startClosing(cause: unknown): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const hub = this.#hub;
    hub.gate.isClosing = true;
    this.#closingSince = hub.clock.now();
    const [half, late, over] = [new AbortController(), new AbortController(), new AbortController()];
    this.#shares = [
      { share: 1 / 2, deadline: half },
      { share: 3 / 4, deadline: late },
      { share: 1, deadline: over },
    ];
    // The end of the grace is the end of every share of it.
    hub.scope.link(over.signal, () => {
      half.abort();
      late.abort();
    });
    this.#limit(hub.settings.grace);
    this.#closing?.abort(cause ?? new ClosedError());
    const phases = closePhases(hub, { half: half.signal, late: late.signal, over: over.signal }, cause);
    // The phases never reject; were there a fault in them, close would still settle.
    phases
      .catch((error: unknown) => {
        hub.report(error, "internal", "close");
        return emptyReport();
      })
      .then((report) => {
        // Nothing hangs without a word: what would not end is named once.
        const left = hub.scope.inspect().filter(({ kind }) => kind === "run" || kind === "task");
        if (left.length > 0) {
          const error = new Error(`Closed without waiting any longer for ${left.map(inWords).join("; ")}`);
          hub.report(error, "close", "notifier");
        }
        hub.end();
        this.#publisher.clear();
        this.#settle(report);
      });
  }
}
