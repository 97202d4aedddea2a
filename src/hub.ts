import { exceeds } from "./bytes.ts";
import { Channel } from "./channel.ts";
import type { Clock } from "./clock.ts";
import { ClosedError } from "./errors.ts";
import { Lanes } from "./lane.ts";
import type { AppendOptions, Log, Position, ReadOptions, Slice } from "./log.ts";
import type { RpcHandler } from "./peer.ts";
import type { Codec } from "./protocol.ts";
import { RunRegistry } from "./run-registry.ts";
import { Scope } from "./scope.ts";
import type { LiveSession } from "./session.ts";
import type { ErrorContext, Settings } from "./settings.ts";
import { Wheel } from "./wheel.ts";

/** What a hub is made of. */
export interface HubParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly codec: Codec;
  readonly settings: Settings;
  readonly rpc: Readonly<Record<string, RpcHandler>> | undefined;
  onError(error: unknown, context: ErrorContext): void;
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
  readonly rpc: Readonly<Record<string, RpcHandler>> | undefined;
  readonly scope: Scope;
  readonly wheel: Wheel;
  readonly lanes: Lanes;
  readonly sessions: Map<string, LiveSession> = new Map();
  readonly channels: Map<string, Channel> = new Map();
  readonly runs: RunRegistry;
  /** Bytes of encoded publications kept now, over all channels. */
  cached = 0;
  /** Milliseconds that closing may take: the least of what anybody who closes has said. */
  grace: number;
  /** Whether sessions close themselves as soon as everything was read. */
  flushing = false;
  /** Called whenever a session ended. */
  onSessionEnd: (() => void) | undefined;
  /** Called before a session gives up its subscriptions, for whatever reason. */
  onSessionLeave: ((session: LiveSession) => void) | undefined;
  readonly #log: Log;
  readonly #onError: HubParts["onError"];
  readonly #wokenChannels = new Set<Channel>();
  readonly #fullSessions = new Set<LiveSession>();
  #turnScheduled = false;
  #ended = false;
  #loading = 0;

  constructor(parts: HubParts) {
    this.clock = parts.clock;
    this.codec = parts.codec;
    this.settings = parts.settings;
    this.grace = parts.settings.grace;
    this.rpc = parts.rpc;
    this.#log = parts.log;
    this.#onError = parts.onError;
    const report = (error: unknown, owner: string): void => this.report(error, "internal", owner);
    this.scope = new Scope(parts.clock, report);
    this.runs = new RunRegistry(this);
    this.wheel = new Wheel(this.scope, () => this.clock.now());
    const failed = (error: unknown, owner: string): void => this.report(error, "log", owner);
    this.lanes = new Lanes(parts.log, parts.clock, failed, this.scope);
  }

  /** Tells the user's error hook, whose own failure must not reach whoever reports. */
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void {
    if (error instanceof ClosedError) return;
    try {
      this.#onError(error, { stage, owner });
    } catch {
      // There is nobody left to tell.
    }
  }

  /** Serialises a payload, once. Throws a TypeError for what JSON cannot hold and a RangeError for what is too large. */
  serialise(what: string, value: unknown): string {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : "it threw";
      throw new TypeError(`Cannot put ${what} into JSON: ${why}`, { cause });
    }
    if (text === undefined) throw new TypeError(`Cannot put ${what} into JSON: it is ${typeof value}`);
    const most = this.settings.limits.publication;
    if (exceeds(text, most)) throw new RangeError(`Cannot publish ${what}: it is over ${most} bytes`);
    return text;
  }

  append(channel: string, data: string, options: Omit<AppendOptions, "time">): Promise<Position> {
    return this.lanes.append(channel, data, { ...options, time: this.clock.time() });
  }

  read(channel: string, options: ReadOptions): Promise<Slice> {
    const reading = called(() => this.#log.read(channel, options));
    return this.scope.follow(`read ${channel}`, options.signal, reading);
  }

  watch(channel: string, wake: () => void): Promise<AsyncDisposable> {
    return called(() => this.#log.watch(channel, wake));
  }

  async closeLog(): Promise<void> {
    await this.#log[Symbol.asyncDispose]();
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
    for (const session of [...this.sessions.values()]) session.cut();
    this.runs.clear();
    this.lanes.end();
    this.channels.clear();
    this.#wokenChannels.clear();
    this.#fullSessions.clear();
    this.scope.end(new ClosedError());
    this.cached = 0;
  }

  /** The channel of that name; it goes away by itself when nobody is left on it. Throws a ClosedError after the end. */
  channel(name: string): Channel {
    if (this.#ended)
      throw new ClosedError(`Cannot use channel ${JSON.stringify(name)}: the notifier is closed`);
    let channel = this.channels.get(name);
    if (channel === undefined) {
      channel = new Channel(name, this);
      this.channels.set(name, channel);
    }
    return channel;
  }

  /** Has the channel looked after in the coming turn: it has news, or nobody left. */
  wakeChannel(channel: Channel): void {
    this.#wokenChannels.add(channel);
    this.#schedule();
  }

  /** Has the session send, in the coming turn, what was put into it. */
  wakeSession(session: LiveSession): void {
    this.#fullSessions.add(session);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#turnScheduled || this.#ended) return;
    this.#turnScheduled = true;
    this.clock.turn(() => this.#turn());
  }

  #turn(): void {
    this.#turnScheduled = false;
    if (this.#ended) return;
    // Loads left over from an earlier turn mean a slow log: it holds nobody up who has something to send.
    if (this.#loading > 0) this.#flush();
    for (const channel of this.#wokenChannels) {
      this.#wokenChannels.delete(channel);
      const loaded = channel.tend();
      if (loaded === undefined) continue;
      this.#loading++;
      loaded.then(() => {
        // The last to arrive sends for all; with a log in memory that is still this turn.
        if (--this.#loading === 0) this.#flush();
      });
    }
    if (this.#loading === 0) this.#flush();
    else if (this.#fullSessions.size > 0) this.#schedule();
  }

  #flush(): void {
    for (const session of this.#fullSessions) {
      this.#fullSessions.delete(session);
      session.flush();
    }
    if (this.flushing) for (const session of [...this.sessions.values()]) session.settle();
  }

  /** Whether more encoded publications are kept than all channels together may. */
  get cacheFull(): boolean {
    return this.cached > cacheBytes;
  }
}

/** A log that throws where it should reject is not to be told from one that rejects. */
async function called<T>(act: () => Promise<T>): Promise<T> {
  return act();
}
