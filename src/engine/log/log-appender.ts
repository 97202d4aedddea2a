import type { Clock } from "../../base/clock.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import type { AppendOptions, Log, Position } from "../../model/log.ts";
import { lastingError } from "./log-failure.ts";
import { Writers } from "./writers.ts";

/** The first and the longest wait before the log is tried again, in milliseconds. */
const backOff = { first: 50, longest: 5_000 };

/** What an appender is made of. */
export interface LogAppenderParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly scope: Scope;
  onError(error: unknown, owner: string): void;
}

/** Appends to the log, again and again while it fails, and reports each outage once. */
export class LogAppender {
  readonly #parts: LogAppenderParts;
  readonly #writers: Writers;
  /** Whether the log failed when it was last asked. */
  #isFailing = false;
  /** Whether the log has appended at once when it was last asked; unknown before. */
  #isAtOnce: boolean | undefined;
  #ended = false;

  constructor(parts: LogAppenderParts) {
    this.#parts = parts;
    this.#writers = new Writers(parts.clock);
  }

  /** Whether the log appends at once, as far as is known. */
  get isAtOnce(): boolean {
    return this.#isAtOnce !== false;
  }

  /**
   * Appends until the log answers: at once, where the log does. Rejects with the reason of the signal, or with a `LogError`
   * that is lasting.
   */
  append(channel: string, data: string, options: AppendOptions): MaybePromise<Position> {
    // The answer to an append may be lost, and the append be done: with its number it may be sent again.
    const numbered = this.#isAtOnce ? options : { ...options, once: this.#writers.next(channel) };
    let appending: MaybePromise<Position>;
    try {
      appending = this.#parts.log.append(channel, data, numbered);
    } catch (error) {
      return this.#insist(channel, data, numbered, Promise.reject(error));
    }
    if (appending instanceof Promise) {
      this.#isAtOnce ??= false;
      return this.#insist(channel, data, numbered, appending);
    }
    this.#answered();
    return appending;
  }

  /** The log has appended at once: it needs no numbers. */
  #answered(): void {
    this.#isFailing = false;
    if (this.#isAtOnce === true) return;
    this.#isAtOnce = true;
    this.#writers.clear();
  }

  /** Waits for an append that has begun, and makes it again while it fails. */
  async #insist(
    channel: string,
    data: string,
    options: AppendOptions,
    first: Promise<Position>,
  ): Promise<Position> {
    const owner = `publish ${channel}`;
    const { log, clock, scope } = this.#parts;
    const { signal } = options;
    let appending: MaybePromise<Position> = first;
    try {
      for (let wait = backOff.first; ; wait = Math.min(wait * 2, backOff.longest)) {
        try {
          const position =
            appending instanceof Promise ? await scope.waitFor(owner, signal, appending) : appending;
          this.#isFailing = false;
          return position;
        } catch (error) {
          if (signal?.aborted) throw signal.reason;
          if (this.#ended) throw error;
          this.#failed(error, channel);
        }
        await scope.sleep(owner, wait * (0.5 + clock.random() / 2), signal);
        try {
          appending = log.append(channel, data, options);
          if (!(appending instanceof Promise)) this.#answered();
        } catch (error) {
          appending = Promise.reject(error);
        }
      }
    } catch (error) {
      this.#writers.abandon(channel);
      throw error;
    }
  }

  /** Tells the operator, once an outage, and throws what no retry helps against. */
  #failed(error: unknown, channel: string): void {
    const lasting = lastingError(error, `publish to ${JSON.stringify(channel)}`);
    if (!this.#isFailing) this.#parts.onError(lasting ?? error, `publish ${channel}`);
    this.#isFailing = true;
    if (lasting !== undefined) throw lasting;
  }

  /** What fails from now on fails because of the end. */
  end(): void {
    this.#ended = true;
    this.#writers.clear();
  }
}
