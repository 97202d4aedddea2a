import type { Clock } from "../../base/clock.ts";
import { complain } from "../../base/console.ts";
import { attended } from "../../base/hook.ts";
import { handled, type MaybePromise } from "../../base/maybe-promise.ts";
import { printable } from "../../base/printable.ts";
import { Scope } from "../../base/scope.ts";
import { type SerialiseOptions, serialise } from "../../base/serialise.ts";
import { TimerWheel } from "../../base/timer-wheel.ts";
import { ClosedError, closed, LogError } from "../../model/errors.ts";
import type { EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { AppendOptions, Log, Position } from "../../model/log.ts";
import type { RpcHandler } from "../../model/peer.ts";
import type { Publication } from "../../model/publication.ts";
import type { UndeliveredReason } from "../../model/receipt.ts";
import { type Close, type Codec, closes } from "../../wire/protocol.ts";
import { Channel, type ChannelContext } from "../channels/channel.ts";
import { ListeningNodes } from "../channels/listening-nodes.ts";
import { Recoveries } from "../channels/recoveries.ts";
import type { CacheBudget } from "../core/context.ts";
import { Counters } from "../core/counters.ts";
import { HeldRecords } from "../core/held-records.ts";
import type { NotifierOptions, Settings } from "../core/settings.ts";
import { Turn } from "../core/turn.ts";
import { Ledger, type LedgerContext } from "../delivery/ledger.ts";
import { MissedNotices, type NoticeContext } from "../delivery/missed-notices.ts";
import type { AppendSteps } from "../log/append-queue.ts";
import { AppendQueues } from "../log/append-queues.ts";
import { isOfClosedLog } from "../log/log-failure.ts";
import { LogHealth } from "../log/log-health.ts";
import { LogReader } from "../log/log-reader.ts";
import { Nodes } from "../nodes/nodes.ts";
import type { RunContext } from "../runs/run-channel.ts";
import { RunRegistry } from "../runs/run-registry.ts";
import type { CommandQueues } from "../sessions/command-queue.ts";
import type { LiveSession } from "../sessions/session.ts";
import { SessionIndex } from "../sessions/session-index.ts";
import type { SessionContext } from "../sessions/session-ports.ts";
import { Wire } from "../sessions/wire.ts";
import { Everywhere } from "./everywhere.ts";
import { Gate, type GateContext } from "./gate.ts";
import { Inheritance } from "./inheritance.ts";
import { NodeCount } from "./node-count.ts";
import { type PostContext, Posts } from "./posts.ts";
import { PresenceOfAll } from "./presence-of-all.ts";

/** What a hub is created from. */
export interface HubParts {
  readonly log: Log;
  readonly clock: Clock;
  /** The first one is used where a socket has agreed on no subprotocol. */
  readonly codecs: readonly [Codec, ...Codec[]];
  readonly settings: Settings;
  readonly events?: EventSchemas | undefined;
  readonly rpc?: Readonly<Record<string, RpcHandler>> | undefined;
  readonly onUndelivered?: NotifierOptions["onUndelivered"];
  readonly redact?: NotifierOptions["redact"];
  onError(error: unknown, context: ErrorContext): unknown;
  readonly onRefused?: NotifierOptions["onRefused"];
}

/** Combines the parts of one notifier: its log, scope, sessions, channels, runs and turn. */
export class Hub
  implements
    ChannelContext,
    LedgerContext,
    NoticeContext,
    RunContext,
    SessionContext<LiveSession>,
    GateContext,
    PostContext
{
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events: EventSchemas | undefined;
  readonly rpc: Readonly<Record<string, RpcHandler>> | undefined;
  readonly redact: NotifierOptions["redact"];
  readonly scope: Scope;
  readonly health: LogHealth;
  readonly log: LogReader;
  readonly wheel: TimerWheel;
  readonly appends: AppendQueues;
  readonly records: HeldRecords;
  readonly nodes: Nodes;
  readonly nodeCount: NodeCount = new NodeCount(this);
  readonly elsewhere: ListeningNodes;
  readonly everywhere: Everywhere;
  readonly inheritance: Inheritance;
  readonly ledger: Ledger;
  readonly notices: MissedNotices;
  readonly counters: Counters = new Counters();
  readonly sessions: SessionIndex = new SessionIndex();
  readonly commandQueues: CommandQueues;
  readonly gate: Gate;
  readonly channels: Map<string, Channel> = new Map();
  readonly runs: RunRegistry;
  readonly presence: PresenceOfAll;
  readonly posts: Posts;
  readonly recoveries: Recoveries;
  readonly turn: Turn;
  readonly cache: CacheBudget;
  /** Milliseconds that closing may take: the minimum of the notifier's own grace and of those given to `close()`. */
  grace: number;
  /** Whether the notifier is closing and each session closes itself once its client has read everything. */
  flushing = false;
  /** Whether those sessions still wait for clients that acknowledge to do so. */
  awaitsAcknowledgements = false;
  /** How often channels are kept open now, by what is in progress. */
  uses = 0;
  /** Number of sessions whose socket is being closed. */
  closing = 0;
  /** Called when a session has ended. */
  onSessionEnd: (() => void) | undefined;
  /** Called before a session gives up its subscriptions, for any reason. */
  onSessionLeave: ((session: LiveSession) => void) | undefined;
  readonly #wires: readonly Wire[];
  readonly #onError: HubParts["onError"];
  readonly #onUndelivered: HubParts["onUndelivered"];
  #ended = false;
  /** Whether it has been reported that someone else closed the log. */
  #isLogLost = false;

  constructor(parts: HubParts) {
    this.clock = parts.clock;
    [this.codec] = parts.codecs;
    this.#wires = parts.codecs.map((codec) => new Wire(codec));
    this.settings = parts.settings;
    this.commandQueues = { limits: parts.settings.limits, chars: 0 };
    this.grace = parts.settings.grace;
    this.cache = cacheOf(parts.settings.limits.cache);
    this.events = parts.events;
    this.rpc = parts.rpc;
    this.redact = parts.redact;
    this.#onError = parts.onError;
    this.#onUndelivered = parts.onUndelivered;
    this.scope = new Scope(parts.clock, (error, owner) => this.report(error, "internal", owner));
    this.health = new LogHealth(parts.clock);
    this.log = new LogReader({
      log: parts.log,
      health: this.health,
      scope: this.scope,
      begun: (channel) => this.runs.begun(channel),
      sequence: () => this.ledger.sequence,
      looked: (channel, slice, sequence) => this.ledger.looked(channel, slice, sequence),
      found: (channel, slice) => this.ledger.foreign.found(channel, slice),
    });
    const reportLog = (error: unknown, owner: string): void => this.report(error, "log", owner);
    this.records = new HeldRecords({
      ...{ isKept: parts.log.join !== undefined, clock: parts.clock, scope: this.scope },
      released: () => this.appends.commits?.touch(),
      health: this.health,
      onError: reportLog,
    });
    this.nodes = new Nodes(this);
    this.elsewhere = new ListeningNodes(this);
    this.everywhere = new Everywhere(this);
    this.inheritance = new Inheritance(this, parts.log);
    this.presence = new PresenceOfAll(this);
    this.posts = new Posts(this);
    this.recoveries = new Recoveries(this.log);
    this.runs = new RunRegistry(this);
    this.gate = new Gate(this, parts.onRefused);
    this.wheel = new TimerWheel(this.scope, () => this.clock.now());
    this.ledger = new Ledger(this);
    this.notices = new MissedNotices(this);
    this.appends = new AppendQueues({
      log: parts.log,
      clock: parts.clock,
      health: this.health,
      most: parts.settings.limits.waiting,
      schedule: () => this.turn.schedule(),
      isHeard: () => this.channels.size > 0,
      slowest: (channel, offset, after) => this.channels.get(channel)?.slowest(offset, after),
      onError: reportLog,
      appended: (channel) => this.ledger.appended(channel),
      refused: () => this.counters.hit("waiting"),
      joining: () => this.inheritance.joining,
      parent: this.scope,
    });
    this.turn = new Turn({ clock: parts.clock, appends: this.appends, flushed: () => this.#flushed() });
  }

  /**
   * Calls the user's error hook. What the hook throws goes to the console. A ClosedError is not reported, a closed log
   * only once, and of an outage of the log only the first error.
   */
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void {
    if (error instanceof ClosedError || (isOfClosedLog(error) && this.#isLogLossReported())) return;
    if (stage === "log" && this.#isReported(error)) return;
    attended(() => this.#onError(error, { stage, owner: printable(owner) }), complain);
  }

  /** Whether an error of the log is reported already. A lasting one that no call has met means a lost place in the log. */
  #isReported(error: unknown): boolean {
    const { health } = this;
    if (error instanceof LogError && error.lasting && !health.knows(error)) health.failed("appends", error);
    return health.isReported(error);
  }

  /**
   * Returns whether the closed log has been reported. The first call closes all sessions, so that their clients
   * reconnect to a server that works.
   */
  #isLogLossReported(): boolean {
    if (this.#isLogLost) return true;
    this.#isLogLost = true;
    for (const session of [...this.sessions]) session.close(closes.internal);
    return false;
  }

  /**
   * Serialises a payload once. Throws a TypeError for a value that JSON cannot hold and a RangeError for one that is
   * too large.
   */
  serialise(what: string | (() => string), value: unknown, options?: SerialiseOptions): string {
    return serialise(what, value, this.settings.limits.publication, options);
  }

  /** Whether `onUndelivered` is set, so that publications that are given up must be reported in time. */
  get reportsUndelivered(): boolean {
    return this.#onUndelivered !== undefined;
  }

  /** Calls the user's hook with a confirmed publication that is given up. An error of the hook is reported. */
  undelivered(publication: Publication, reason: UndeliveredReason): void {
    const owner = `${publication.offset} of ${publication.channel}`;
    const failed = (error: unknown): void => this.report(error, "undelivered", owner);
    const calling = handled(
      () => this.#onUndelivered?.(publication, reason),
      () => {},
      failed,
    );
    if (calling instanceof Promise) this.scope.own("task", `undelivered ${owner}`, calling);
  }

  get joining(): Promise<void> | undefined {
    return this.inheritance.joining;
  }

  append(
    channel: string,
    data: string,
    options: Omit<AppendOptions, "time"> & { time?: number },
    steps?: AppendSteps,
  ): MaybePromise<Position> {
    return this.appends.append(channel, data, { time: this.clock.time(), ...options }, steps);
  }

  /** Waits for a promise, until `signal` aborts. A rejection is reported and ends the wait. */
  async settled(owner: string, signal: AbortSignal, promise: Promise<unknown>): Promise<void> {
    try {
      await this.scope.waitFor(owner, signal, promise);
    } catch (error) {
      if (!signal.aborted) this.report(error, "internal", owner);
    }
  }

  /** Ends everything. Afterwards the hub owns nothing, has no timer, and listens to nothing. */
  end(): void {
    this.#ended = true;
    for (const session of [...this.sessions]) session.cut();
    this.runs.clear();
    this.appends.end();
    this.log.end();
    this.health.clear();
    this.ledger.clear();
    this.notices.clear();
    this.channels.clear();
    this.gate.clear();
    this.recoveries.clear();
    this.turn.end();
    this.scope.end(new ClosedError());
    this.cache.bytes = 0;
  }

  entered(session: LiveSession, isRestored: boolean): void {
    this.sessions.add(session);
    this.posts.entered(session);
    if (!isRestored) this.counters.opened();
  }

  closed(why: Close, wasFresh: boolean): void {
    this.closing++;
    this.gate.closed(why, wasFresh);
  }

  leaving(session: LiveSession): void {
    this.onSessionLeave?.(session);
  }

  left(session: LiveSession, wasClosed: boolean): void {
    if (wasClosed) this.closing--;
    this.sessions.delete(session);
    this.posts.left(session);
    this.onSessionEnd?.();
  }

  /** Returns how sessions of a subprotocol are written to. */
  wireOf(subprotocol: string | undefined): Wire {
    return this.#wires.find(({ codec }) => codec.subprotocol === subprotocol) ?? (this.#wires[0] as Wire);
  }

  sessionsOf(identity: string): Iterable<LiveSession> {
    return this.sessions.of(identity);
  }

  followed(channel: string): Channel | undefined {
    return this.channels.get(channel);
  }

  emptied(channel: string): void {
    this.channels.delete(channel);
  }

  /** Returns whether the use of a channel would exceed `limits.channels`. */
  isFullFor(channel: string): boolean {
    return this.channels.size >= this.settings.limits.channels && !this.channels.has(channel);
  }

  /**
   * Returns the channel with that name, and creates it if needed. The channel closes itself when it is unused. Throws a
   * ClosedError after the end.
   */
  channel(name: string): Channel {
    if (this.#ended) throw closed(`use channel ${JSON.stringify(name)}`);
    let channel = this.channels.get(name);
    if (channel === undefined) {
      channel = new Channel(name, this);
      this.channels.set(name, channel);
    }
    return channel;
  }

  #flushed(): void {
    for (const wire of this.#wires) wire.tidy();
    this.recoveries.carryOver();
    if (this.flushing) for (const session of [...this.sessions]) session.settle();
  }
}

function cacheOf(most: number): CacheBudget {
  return {
    bytes: 0,
    get isFull() {
      return this.bytes > most;
    },
  };
}
