import type { Clock } from "../../base/clock.ts";
import { complain } from "../../base/console.ts";
import { attended } from "../../base/hook.ts";
import { handled, type MaybePromise } from "../../base/maybe-promise.ts";
import { printable } from "../../base/printable.ts";
import { Scope } from "../../base/scope.ts";
import { type SerialiseOptions, serialise } from "../../base/serialise.ts";
import { TimerWheel } from "../../base/timer-wheel.ts";
import { ClosedError, closed } from "../../model/errors.ts";
import type { EventSchemas } from "../../model/events.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import type { AppendOptions, Log, Position } from "../../model/log.ts";
import type { RpcHandler } from "../../model/peer.ts";
import type { Publication } from "../../model/publication.ts";
import type { UndeliveredReason } from "../../model/receipt.ts";
import { type Close, type Codec, closes } from "../../wire/protocol.ts";
import { Channel, type ChannelContext } from "../channels/channel.ts";
import { Recoveries } from "../channels/recoveries.ts";
import type { CacheBudget } from "../core/context.ts";
import { Counters } from "../core/counters.ts";
import type { NotifierOptions, Settings } from "../core/settings.ts";
import { Turn } from "../core/turn.ts";
import { Ledger, type LedgerContext } from "../delivery/ledger.ts";
import { MissedNotices, type NoticeContext } from "../delivery/missed-notices.ts";
import type { AppendSteps } from "../log/append-queue.ts";
import { AppendQueues } from "../log/append-queues.ts";
import { isOfClosedLog } from "../log/log-failure.ts";
import { LogReader } from "../log/log-reader.ts";
import type { RunContext } from "../runs/run-channel.ts";
import { RunRegistry } from "../runs/run-registry.ts";
import type { CommandQueues } from "../sessions/command-queue.ts";
import { FrameCache } from "../sessions/frame-cache.ts";
import { ReplyCache } from "../sessions/reply-cache.ts";
import type { LiveSession } from "../sessions/session.ts";
import { SessionIndex } from "../sessions/session-index.ts";
import type { SessionContext } from "../sessions/session-ports.ts";
import { Gate, type GateContext } from "./gate.ts";

/** What a hub is made of. */
export interface HubParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events?: EventSchemas | undefined;
  readonly rpc?: Readonly<Record<string, RpcHandler>> | undefined;
  readonly onUndelivered?: NotifierOptions["onUndelivered"];
  readonly redact?: NotifierOptions["redact"];
  onError(error: unknown, context: ErrorContext): unknown;
  readonly onRefused?: NotifierOptions["onRefused"];
}

/** Encoded publications that all channels together may keep for sharing, in bytes. */
const cacheBytes = 67_108_864;

/** The parts of one notifier put together: its log, its lifetime, its sessions, channels and runs, and the turn. */
export class Hub
  implements
    ChannelContext,
    LedgerContext,
    NoticeContext,
    RunContext,
    SessionContext<LiveSession>,
    GateContext
{
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events: EventSchemas | undefined;
  readonly rpc: Readonly<Record<string, RpcHandler>> | undefined;
  readonly redact: NotifierOptions["redact"];
  readonly frames: FrameCache;
  readonly replies: ReplyCache;
  readonly scope: Scope;
  readonly log: LogReader;
  readonly wheel: TimerWheel;
  readonly appends: AppendQueues;
  readonly ledger: Ledger;
  readonly notices: MissedNotices;
  readonly counters: Counters = new Counters();
  readonly sessions: SessionIndex = new SessionIndex();
  readonly commandQueues: CommandQueues;
  readonly gate: Gate;
  readonly channels: Map<string, Channel> = new Map();
  readonly runs: RunRegistry;
  readonly recoveries: Recoveries;
  readonly turn: Turn;
  readonly cache: CacheBudget = {
    bytes: 0,
    get isFull() {
      return this.bytes > cacheBytes;
    },
  };
  /** Milliseconds that closing may take: the least of what anybody who closes has said. */
  grace: number;
  /** Whether sessions close themselves as soon as everything was read. */
  flushing = false;
  /** Whether, while they do, clients that acknowledge are given time to. */
  hearing = false;
  /** Called whenever a session ended. */
  onSessionEnd: (() => void) | undefined;
  /** Called before a session gives up its subscriptions, for whatever reason. */
  onSessionLeave: ((session: LiveSession) => void) | undefined;
  readonly #onError: HubParts["onError"];
  readonly #onUndelivered: HubParts["onUndelivered"];
  #ended = false;
  /** Whether somebody else has closed the log, and that was told. */
  #isLogLost = false;

  constructor(parts: HubParts) {
    this.clock = parts.clock;
    this.codec = parts.codec;
    this.frames = new FrameCache(parts.codec.separator);
    this.replies = new ReplyCache(parts.codec);
    this.settings = parts.settings;
    this.commandQueues = { limits: parts.settings.limits, chars: 0 };
    this.grace = parts.settings.grace;
    this.events = parts.events;
    this.rpc = parts.rpc;
    this.redact = parts.redact;
    this.#onError = parts.onError;
    this.#onUndelivered = parts.onUndelivered;
    const report = (error: unknown, owner: string): void => this.report(error, "internal", owner);
    this.scope = new Scope(parts.clock, report);
    this.log = new LogReader({
      log: parts.log,
      scope: this.scope,
      begun: (channel) => this.runs.begun(channel),
      sequence: () => this.ledger.sequence,
      looked: (channel, slice, sequence) => this.ledger.looked(channel, slice, sequence),
    });
    this.recoveries = new Recoveries(this.log);
    this.runs = new RunRegistry(this);
    this.gate = new Gate(this, parts.onRefused);
    this.wheel = new TimerWheel(this.scope, () => this.clock.now());
    const failed = (error: unknown, owner: string): void => this.report(error, "log", owner);
    this.ledger = new Ledger(this);
    this.notices = new MissedNotices(this);
    const appended = (channel: string): void => this.ledger.appended(channel);
    this.appends = new AppendQueues({
      log: parts.log,
      clock: parts.clock,
      most: parts.settings.limits.waiting,
      schedule: () => this.turn.schedule(),
      isHeard: () => this.channels.size > 0,
      slowest: (channel, offset, after) => this.channels.get(channel)?.slowest(offset, after),
      onError: failed,
      appended,
      refused: () => this.counters.hit("waiting"),
      parent: this.scope,
    });
    this.turn = new Turn({
      clock: parts.clock,
      appends: this.appends,
      flushed: () => this.#flushed(),
    });
  }

  /** Tells the user's error hook. Of its own failure nobody but the console is left to hear. */
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void {
    if (error instanceof ClosedError || (isOfClosedLog(error) && this.#isKnown())) return;
    attended(() => this.#onError(error, { stage, owner: printable(owner) }), complain);
  }

  /** Whether it is known that the log is closed. Sessions are closed with it, to come back to a server that works. */
  #isKnown(): boolean {
    if (this.#isLogLost) return true;
    this.#isLogLost = true;
    for (const session of [...this.sessions]) session.close(closes.internal);
    return false;
  }

  /** Serialises a payload, once. Throws a TypeError for what JSON cannot hold and a RangeError for what is too large. */
  serialise(what: string | (() => string), value: unknown, options?: SerialiseOptions): string {
    return serialise(what, value, this.settings.limits.publication, options);
  }

  /** Whether somebody wants to hear at once of what is given up. */
  get hearsUndelivered(): boolean {
    return this.#onUndelivered !== undefined;
  }

  /** Tells the user's hook of a confirmed publication that is given up. What goes wrong there is reported. */
  undelivered(publication: Publication, reason: UndeliveredReason): void {
    const owner = `${publication.offset} of ${publication.channel}`;
    const failed = (error: unknown): void => this.report(error, "undelivered", owner);
    const told = handled(
      () => this.#onUndelivered?.(publication, reason),
      () => {},
      failed,
    );
    if (told instanceof Promise) this.scope.own("task", `undelivered ${owner}`, told);
  }

  append(
    channel: string,
    data: string,
    options: Omit<AppendOptions, "time"> & { time?: number },
    steps?: AppendSteps,
  ): MaybePromise<Position> {
    return this.appends.append(channel, data, { time: this.clock.time(), ...options }, steps);
  }

  /** Waits for a promise, at most until `signal` aborts. What goes wrong is reported, and the wait is over. */
  async settled(owner: string, signal: AbortSignal, promise: Promise<unknown>): Promise<void> {
    try {
      await this.scope.waitFor(owner, signal, promise);
    } catch (error) {
      if (!signal.aborted) this.report(error, "internal", owner);
    }
  }

  /** Ends everything: afterwards nothing is owned, armed or listened to. */
  end(): void {
    this.#ended = true;
    for (const session of [...this.sessions]) session.cut();
    this.runs.clear();
    this.appends.end();
    this.log.end();
    this.ledger.clear();
    this.notices.clear();
    this.channels.clear();
    this.gate.clear();
    this.recoveries.clear();
    this.turn.end();
    this.scope.end(new ClosedError());
    this.cache.bytes = 0;
  }

  entered(session: LiveSession): void {
    this.sessions.add(session);
    this.counters.opened();
  }

  closed(why: Close, wasFresh: boolean): void {
    this.gate.closed(why, wasFresh);
  }

  leaving(session: LiveSession): void {
    this.onSessionLeave?.(session);
  }

  left(session: LiveSession): void {
    this.sessions.delete(session);
    this.onSessionEnd?.();
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

  /** Whether a channel that nobody is on yet would be one too many. */
  isFullFor(channel: string): boolean {
    return this.channels.size >= this.settings.limits.channels && !this.channels.has(channel);
  }

  /** The channel of that name; it goes away by itself when nobody is left on it. Throws a ClosedError after the end. */
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
    this.frames.clear();
    this.replies.tidy();
    this.recoveries.carryOver();
    if (this.flushing) for (const session of [...this.sessions]) session.settle();
  }
}
