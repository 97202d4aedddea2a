import type { Clock } from "./clock.ts";
import { ClosedError } from "./errors.ts";
import type { AppendOptions, Log, Position } from "./log.ts";
import { type Pending, type PendingKind, Scope } from "./scope.ts";

/** The first and the longest wait before the log is tried again, in milliseconds. */
const backOff = { first: 50, longest: 5_000 };

/** What comes right before and right after an append, in its place in the lane. */
export interface AppendSteps {
  /** Waits until it may begin; undefined when it may at once. */
  admit(): Promise<void> | undefined;
  appended(position: Position): void;
}

/** What lanes are made of. */
export interface LanesParts {
  readonly log: Log;
  readonly clock: Clock;
  onError(error: unknown, owner: string): void;
  /** Hears of every append that succeeded. */
  appended?(channel: string): void;
  readonly parent?: Scope;
}

/** Those who wait for a channel, first come first served. Each is what lets it go on. */
type Queue = Set<() => void>;

/** Nobody: most channels never need a queue. */
const nobody: Queue = new Set();

/**
 * Brings publications to the log in the order in which they were made.
 *
 * A log that fails is tried again until the caller's signal aborts or the lanes end; whatever is published to the same
 * channel meanwhile waits behind, since overtaking would change the order.
 */
export class Lanes {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onError: LanesParts["onError"];
  readonly #appended: LanesParts["appended"];
  /** A lifetime of its own: what is under way ends before sessions are flushed. */
  readonly #scope: Scope;
  /** Who waits for a channel. A channel that is there has an append under way. */
  readonly #queues = new Map<string, Queue>();
  #quiet: (() => void) | undefined;
  #ended = false;

  constructor({ log, clock, onError, appended, parent }: LanesParts) {
    this.#log = log;
    this.#clock = clock;
    this.#onError = onError;
    this.#appended = appended;
    this.#scope = new Scope(clock, onError, parent);
  }

  /** How many appends are under way or waiting. */
  get size(): number {
    let size = 0;
    for (const queue of this.#queues.values()) size += 1 + queue.size;
    return size;
  }

  /** Everything the lanes own now. */
  inspect(): Pending[] {
    return this.#scope.inspect();
  }

  count(kind: PendingKind): number {
    return this.#scope.count(kind);
  }

  /** Appends after all that was given to the channel's lane before. */
  append(
    channel: string,
    data: string,
    options: AppendOptions,
    steps?: AppendSteps | undefined,
  ): Promise<Position> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    if (this.#ended) return Promise.reject(closed());
    const position = steps === undefined ? this.appendNow(channel, data, options) : undefined;
    if (position !== undefined) return Promise.resolve(position);
    const queue = this.#queues.get(channel);
    if (queue !== undefined) return this.#wait(channel, queue, data, options, steps);
    this.#queues.set(channel, nobody);
    return this.#run(channel, data, options, steps);
  }

  /**
   * Appends at once, where the log can and nobody waits. What goes wrong here goes wrong again, and is dealt with, where it
   * is waited for.
   */
  appendNow(channel: string, data: string, options: AppendOptions): Position | undefined {
    if (this.#ended || (this.#queues.size > 0 && this.#queues.has(channel))) return undefined;
    let position: Position | undefined;
    try {
      position = this.#log.appendNow?.(channel, data, options);
    } catch {
      return undefined;
    }
    if (position !== undefined) this.#appended?.(channel);
    return position;
  }

  async #wait(
    channel: string,
    present: Queue,
    data: string,
    options: AppendOptions,
    steps: AppendSteps | undefined,
  ): Promise<Position> {
    const queue: Queue = present === nobody ? new Set() : present;
    this.#queues.set(channel, queue);
    await this.#scope.wait<void>(`publish ${channel}`, options.signal, ({ resolve }) => {
      queue.add(resolve);
      return () => queue.delete(resolve);
    });
    return this.#run(channel, data, options, steps);
  }

  async #run(
    channel: string,
    data: string,
    options: AppendOptions,
    steps: AppendSteps | undefined,
  ): Promise<Position> {
    try {
      const admission = steps?.admit();
      if (admission !== undefined) await admission;
      const position = await this.#attempt(channel, data, options);
      steps?.appended(position);
      this.#appended?.(channel);
      return position;
    } finally {
      this.#goOn(channel);
    }
  }

  #goOn(channel: string): void {
    const queue = this.#queues.get(channel);
    if (queue !== undefined && queue.size > 0) {
      for (const next of queue) return next();
    }
    this.#queues.delete(channel);
    if (this.#queues.size === 0) this.#quiet?.();
  }

  async #attempt(channel: string, data: string, options: AppendOptions): Promise<Position> {
    const owner = `publish ${channel}`;
    for (let wait = backOff.first; ; wait = Math.min(wait * 2, backOff.longest)) {
      try {
        return await this.#scope.follow(owner, options.signal, this.#log.append(channel, data, options));
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        if (error instanceof ClosedError) throw error;
        this.#onError(error, owner);
      }
      await this.#scope.sleep(owner, wait * (0.5 + this.#clock.random() / 2), options.signal);
    }
  }

  /** Settles once nothing is under way. */
  idle(): Promise<void> {
    return this.#scope.wait<void>("publications under way", undefined, ({ resolve }) => {
      this.#quiet = resolve;
      if (this.#queues.size === 0) resolve();
      return () => {
        this.#quiet = undefined;
      };
    });
  }

  /** Ends the lanes: whatever is not in the log by now rejects with a `ClosedError`. */
  end(): void {
    this.#ended = true;
    this.#scope.end(closed());
    this.#queues.clear();
  }
}

function closed(): ClosedError {
  return new ClosedError("Cannot publish: the notifier is closed");
}
