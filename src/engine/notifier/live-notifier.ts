import { checkChannel, checkPeer } from "../../access/peer-check.ts";
import { checkBound } from "../../base/check.ts";
import { systemClock } from "../../base/clock.ts";
import { errorToConsole } from "../../base/console.ts";
import { ignorable, inWords, type Pending } from "../../base/scope.ts";
import { ClosedError, closed } from "../../model/errors.ts";
import type { EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { Peer } from "../../model/peer.ts";
import type { History, Publication } from "../../model/publication.ts";
import type { Receipt } from "../../model/receipt.ts";
import type { Refused } from "../../model/refused.ts";
import type { Run, RunOptions, Task } from "../../model/run.ts";
import type { Session, SessionState, Socket } from "../../model/socket.ts";
import { memoryLog } from "../../stores/memory.ts";
import { jsonCodec } from "../../wire/json-codec.ts";
import { type Codec, closes } from "../../wire/protocol.ts";
import { Commands } from "../commands/commands.ts";
import { checkSchemas } from "../core/event-check.ts";
import { checkAfter, checkParts, checkTopic } from "../core/input-check.ts";
import { type NotifierOptions, resolveSettings } from "../core/settings.ts";
import { type CloseOptions, type CloseReport, closePhases, emptyReport } from "../hub/close.ts";
import { type FollowOptions, followChannel } from "../hub/follow.ts";
import { Hub } from "../hub/hub.ts";
import type { Presence } from "../hub/presence.ts";
import { restOf } from "../hub/rest.ts";
import { type RestoreOptions, restoreSession } from "../hub/restore-session.ts";
import { disconnectAll, obeyRevocations, refuse, unsubscribeAll } from "../hub/revocation.ts";
import { pendingOf, type Stats, statsOf } from "../hub/stats.ts";
import { type Totals, totalsOf } from "../hub/totals.ts";
import { LiveSession } from "../sessions/session.ts";
import { type HistoryOptions, historyOf } from "./history.ts";
import type { Notifier } from "./notifier.ts";
import { Publisher, type PublishOptions } from "./publisher.ts";

export type { Receipt } from "../../model/receipt.ts";
/** The notifier that {@linkcode createNotifier} creates. */
export class LiveNotifier implements Notifier {
  readonly events: EventSchemas | undefined;
  readonly maxMessage: number;
  readonly subprotocols: readonly string[];
  readonly runs: Notifier["runs"];
  readonly #hub: Hub;
  readonly #commands: Commands;
  readonly #publisher: Publisher;
  readonly #signal: AbortSignal | undefined;
  #begun = false;
  #closing: AbortController | undefined;
  #isClosing = false;
  #closingSince = 0;
  /** The deadline of each phase of closing, as a share of the grace. The last one is the grace itself. */
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
    const codecs = [jsonCodec, ...((options.codecs ?? []) as readonly Codec[])] as const;
    this.subprotocols = codecs.map(({ subprotocol }) => subprotocol);
    const hub = new Hub({
      ...options,
      log: log ?? memoryLog({ clock }),
      clock,
      codecs,
      settings,
      onError,
    });
    this.#hub = hub;
    obeyRevocations(hub);
    this.#commands = new Commands(hub);
    this.#publisher = new Publisher(hub);
    this.#signal = signal;
    this.#closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.runs = {
      get: (id) => hub.runs.get(id),
      list: () => hub.runs.list(),
      find: async (id) => {
        this.#begin();
        return hub.runs.find(id);
      },
    };
  }

  /** Constructors do nothing, so the first use checks the signal and listens to it. */
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
    this.#hub.inheritance.begin();
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

  async presence(channel: string): Promise<Presence> {
    this.#begin();
    return this.#hub.presence.of(channel);
  }

  accept(socket: Socket, peer: Peer): Session {
    this.#begin();
    checkPeer(peer, this.#hub.settings.limits.channel);
    if (this.#isClosing) return refuse(this.#hub, socket, closes.shutdown);
    if (!this.admits(peer.user)) return refuse(this.#hub, socket, closes.connectionLimit);
    // Node builds the string from sixteen parts, and keeps all of them in memory until something reads each character.
    // `toLowerCase` does.
    const id = crypto.randomUUID().toLowerCase();
    return new LiveSession(id, { context: this.#hub, commands: this.#commands, socket, peer });
  }

  post(secret: string, data: string, node?: string): Promise<boolean> {
    this.#begin();
    return this.#hub.posts.post(secret, data, node);
  }

  restore(socket: Socket, state: SessionState, options: RestoreOptions = {}): Session {
    this.#begin();
    if (this.#isClosing) throw closed("restore a session");
    return restoreSession(this.#hub, this.#commands, { socket, state }, options);
  }

  rest(): boolean {
    return restOf(this.#hub);
  }

  admits(user: string): boolean {
    return this.#hub.gate.limitFor(user) === undefined;
  }

  reserve(user: string): ReturnType<Notifier["reserve"]> {
    return this.#hub.gate.reserve(user);
  }

  async disconnect(
    who: { user: string } | { session: string },
    code: number = closes.disconnect.code,
  ): Promise<void> {
    this.#begin();
    await disconnectAll(this.#hub, who, code);
  }

  async unsubscribe(user: string, channel: string): Promise<void> {
    this.#begin();
    await unsubscribeAll(this.#hub, user, channel);
  }

  everywhere(topic: string, act: () => void): () => Promise<void> {
    checkTopic(topic, act);
    this.#hub.everywhere.add(topic, act);
    return () => {
      this.#begin();
      return this.#hub.everywhere.tell(topic);
    };
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

  /** Limits the time that closing may take. Each phase gets its share. */
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
    // The end of the grace also ends the earlier shares.
    hub.scope.link(over.signal, () => {
      half.abort();
      late.abort();
    });
    this.#limit(hub.settings.grace);
    this.#closing?.abort(cause ?? new ClosedError());
    const phases = closePhases(hub, { half: half.signal, late: late.signal, over: over.signal }, cause);
    // The phases never reject. If they did because of a bug, close would still settle.
    phases
      .catch((error: unknown) => {
        hub.report(error, "internal", "close");
        return emptyReport();
      })
      .then((report) => {
        // What did not end in time is reported once, by name.
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
