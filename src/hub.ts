import type { AppendSteps } from "./append-queue.ts";
import { AppendQueues } from "./append-queues.ts";
import { Channel } from "./channel.ts";
import type { Clock } from "./clock.ts";
import { complain } from "./console.ts";
import { ClosedError, closed } from "./errors.ts";
import type { EventSchemas } from "./events.ts";
import { Gate } from "./gate.ts";
import { attended } from "./hook.ts";
import type { ErrorContext } from "./hooks.ts";
import type { Intakes } from "./intake.ts";
import { Joint } from "./joint.ts";
import { Ledger } from "./ledger.ts";
import type { AppendOptions, Log, Position } from "./log.ts";
import { isOfClosedLog } from "./log-failure.ts";
import { Notices } from "./notice.ts";
import type { RpcHandler } from "./peer.ts";
import { carriedOver, type Recovered } from "./place.ts";
import { printable } from "./printable.ts";
import { type Codec, closes } from "./protocol.ts";
import type { Publication } from "./publication.ts";
import { Reader } from "./reader.ts";
import type { UndeliveredReason } from "./receipt.ts";
import { Replies } from "./replies.ts";
import { Roster } from "./roster.ts";
import { RunRegistry } from "./run-registry.ts";
import { Scope } from "./scope.ts";
import type { LiveSession } from "./session.ts";
import type { NotifierOptions, Settings } from "./settings.ts";
import { handled } from "./soon.ts";
import { Tally } from "./totals.ts";
import { type SerialiseOptions, serialise } from "./values.ts";
import { Wheel } from "./wheel.ts";

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

/**
 * What the parts of one notifier share: its log, its lifetime, its sessions and channels, and the turn.
 *
 * All that is to be sent in one turn of the event loop is gathered, and leaves as one frame a session.
 */
export class Hub {
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly events: EventSchemas | undefined;
  readonly rpc: Readonly<Record<string, RpcHandler>> | undefined;
  readonly redact: NotifierOptions["redact"];
  readonly joint: Joint;
  readonly replies: Replies;
  readonly scope: Scope;
  readonly log: Reader;
  readonly wheel: Wheel;
  readonly appends: AppendQueues;
  readonly ledger: Ledger;
  readonly notices: Notices;
  readonly tally: Tally = new Tally();
  readonly sessions: Roster = new Roster();
  readonly intakes: Intakes;
  readonly gate: Gate;
  readonly channels: Map<string, Channel> = new Map();
  readonly runs: RunRegistry;
  /** What somebody who came back was sent: others may follow. */
  recovered: Recovered | undefined;
  /** Bytes of encoded publications kept now, over all channels. */
  cached = 0;
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
  readonly #wokenChannels: Channel[] = [];
  readonly #fullSessions: LiveSession[] = [];
  /** One for all turns: an arrow in `schedule` would have V8 allocate at every call. */
  readonly #due = (): void => {
    if (this.clock.rest !== undefined && this.appends.needsRest) this.clock.rest(this.#rested);
    else this.#turn();
  };
  readonly #rested = (): void => this.#turn();
  #turnScheduled = false;
  #ended = false;
  /** Whether somebody else has closed the log, and that was told. */
  #isLogLost = false;
  #loading = 0;

  constructor(parts: HubParts) {
    this.clock = parts.clock;
    this.codec = parts.codec;
    this.joint = new Joint(parts.codec.separator);
    this.replies = new Replies(parts.codec);
    this.settings = parts.settings;
    this.intakes = { limits: parts.settings.limits, chars: 0 };
    this.grace = parts.settings.grace;
    this.events = parts.events;
    this.rpc = parts.rpc;
    this.redact = parts.redact;
    this.log = new Reader(this, parts.log);
    this.#onError = parts.onError;
    this.#onUndelivered = parts.onUndelivered;
    const report = (error: unknown, owner: string): void => this.report(error, "internal", owner);
    this.scope = new Scope(parts.clock, report);
    this.runs = new RunRegistry(this);
    this.gate = new Gate(this, parts.onRefused);
    this.wheel = new Wheel(this.scope, () => this.clock.now());
    const failed = (error: unknown, owner: string): void => this.report(error, "log", owner);
    this.ledger = new Ledger(this);
    this.notices = new Notices(this);
    const appended = (channel: string): void => this.ledger.appended(channel);
    this.appends = new AppendQueues({
      log: parts.log,
      clock: parts.clock,
      most: parts.settings.limits.waiting,
      schedule: () => this.schedule(),
      isHeard: () => this.channels.size > 0,
      slowest: (channel, offset) => this.channels.get(channel)?.slowest(offset),
      onError: failed,
      appended,
      refused: () => this.tally.hit("waiting"),
      parent: this.scope,
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
  ): Promise<Position> {
    return this.appends.append(channel, data, { time: this.clock.time(), ...options }, steps);
  }

  /** Waits for a promise, at most until `signal` aborts. What goes wrong is reported, and the wait is over. */
  async settled(owner: string, signal: AbortSignal, promise: Promise<unknown>): Promise<void> {
    try {
      await this.scope.follow(owner, signal, promise);
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
    this.ledger.clear();
    this.notices.clear();
    this.channels.clear();
    this.gate.clear();
    this.recovered = undefined;
    this.#wokenChannels.length = 0;
    this.#fullSessions.length = 0;
    this.scope.end(new ClosedError());
    this.cached = 0;
  }

  enter(session: LiveSession): void {
    this.sessions.add(session);
    this.tally.opened();
  }

  leave(session: LiveSession): void {
    this.sessions.delete(session);
    this.onSessionEnd?.();
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

  /** Has the channel looked after in the coming turn: it has news, or nobody left. */
  wakeChannel(channel: Channel): void {
    if (channel.isWoken) return;
    channel.isWoken = true;
    this.#wokenChannels.push(channel);
    this.schedule();
  }

  /** Has the session send, in the coming turn, what was put into it. */
  wakeSession(session: LiveSession): void {
    if (session.isGathered) return;
    session.isGathered = true;
    this.#fullSessions.push(session);
    this.schedule();
  }

  /** Has a turn come, even where there is nothing to send: sessions that close look again whether they may. */
  schedule(): void {
    if (this.#turnScheduled || this.#ended) return;
    this.#turnScheduled = true;
    this.clock.turn(this.#due);
  }

  #turn(): void {
    this.#turnScheduled = false;
    if (this.#ended) return;
    // What waited for this turn is published in it, and leaves with it.
    this.appends.turn();
    // Loads left over from an earlier turn mean a slow log: it holds nobody up who has something to send.
    if (this.#loading > 0) this.#flush();
    // One that is woken while others are looked after has its turn in this one.
    for (const channel of this.#wokenChannels) {
      channel.isWoken = false;
      const loaded = channel.tend();
      if (loaded === undefined) continue;
      this.#loading++;
      loaded.then(() => {
        // The last to arrive sends for all; with a log in memory that is still this turn.
        if (--this.#loading === 0) this.#flush();
      });
    }
    this.#wokenChannels.length = 0;
    if (this.#loading === 0) this.#flush();
    else if (this.#fullSessions.length > 0) this.schedule();
  }

  #flush(): void {
    // What is woken by a flush is flushed in this one.
    for (const session of this.#fullSessions) {
      session.isGathered = false;
      session.flush();
    }
    this.#fullSessions.length = 0;
    this.joint.clear();
    this.replies.tidy();
    this.recovered = carriedOver(this.recovered);
    if (this.flushing) for (const session of [...this.sessions]) session.settle();
  }

  /** Whether more encoded publications are kept than all channels together may. */
  get cacheFull(): boolean {
    return this.cached > cacheBytes;
  }
}
