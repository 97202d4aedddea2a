import { ClosedError } from "./errors.ts";
import type { AppendOptions, Log, Position } from "./log.ts";
import type { Scope } from "./scope.ts";

/** The first and the longest wait before the log is tried again, in milliseconds. */
const backOff = { first: 50, longest: 5_000 };

/** Those who wait for a channel, first come first served. Each is what lets it go on. */
type Queue = Set<() => void>;

/** What the lanes need of their surroundings. */
export interface LanesContext {
  readonly log: Log;
  readonly scope: Scope;
  random(): number;
  onError(error: unknown, owner: string): void;
}

/**
 * Brings publications to the log in the order in which they were made.
 *
 * A log that fails is tried again until the caller's signal aborts or the notifier is over; whatever is published to the
 * same channel meanwhile waits behind, since overtaking would change the order.
 */
export class Lanes {
  readonly #context: LanesContext;
  /** Who waits for a channel. A channel that is there has an append under way. */
  readonly #queues = new Map<string, Queue>();

  constructor(context: LanesContext) {
    this.#context = context;
  }

  /** How many appends are under way or waiting. */
  get size(): number {
    let size = 0;
    for (const queue of this.#queues.values()) size += 1 + queue.size;
    return size;
  }

  /** Appends after all that was given to the channel's lane before. */
  append(channel: string, data: string, options: AppendOptions): Promise<Position> {
    if (options.signal?.aborted) return Promise.reject(options.signal.reason);
    const queue = this.#queues.get(channel);
    if (queue !== undefined) return this.#wait(channel, queue, data, options);
    this.#queues.set(channel, new Set());
    return this.#run(channel, data, options);
  }

  async #wait(channel: string, queue: Queue, data: string, options: AppendOptions): Promise<Position> {
    await this.#context.scope.wait<void>(`publish ${channel}`, options.signal, ({ resolve }) => {
      queue.add(resolve);
      return () => queue.delete(resolve);
    });
    return this.#run(channel, data, options);
  }

  async #run(channel: string, data: string, options: AppendOptions): Promise<Position> {
    try {
      return await this.#attempt(channel, data, options);
    } finally {
      const [next] = this.#queues.get(channel) ?? [];
      if (next === undefined) this.#queues.delete(channel);
      else next();
    }
  }

  async #attempt(channel: string, data: string, options: AppendOptions): Promise<Position> {
    const { log, scope, onError } = this.#context;
    const owner = `publish ${channel}`;
    for (let wait = backOff.first; ; wait = Math.min(wait * 2, backOff.longest)) {
      try {
        return await scope.follow(owner, options.signal, log.append(channel, data, options));
      } catch (error) {
        if (options.signal?.aborted) throw options.signal.reason;
        if (error instanceof ClosedError) throw error;
        onError(error, owner);
      }
      await scope.sleep(owner, wait * (0.5 + this.#context.random() / 2), options.signal);
    }
  }
}
