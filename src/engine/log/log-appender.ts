import type { Clock } from "../../base/clock.ts";
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
  #ended = false;

  constructor(parts: LogAppenderParts) {
    this.#parts = parts;
    this.#writers = new Writers(parts.clock);
  }

  /** Whether the log may append at once. */
  get isAtOnce(): boolean {
    return this.#parts.log.appendNow !== undefined;
  }

  /** Appends at once; undefined where the log cannot, or where it went wrong, which `append` then deals with. */
  appendNow(channel: string, data: string, options: AppendOptions): Position | undefined {
    try {
      return this.#parts.log.appendNow?.(channel, data, options);
    } catch {
      return undefined;
    }
  }

  /** Appends until the log answers. Rejects with the reason of the signal, or with a `LogError` that is lasting. */
  async append(channel: string, data: string, options: AppendOptions): Promise<Position> {
    const owner = `publish ${channel}`;
    const { log, clock, scope } = this.#parts;
    // The answer to an append may be lost, and the append be done: with its number it may be sent again.
    const numbered = { ...options, once: this.#writers.next(channel) };
    try {
      for (let wait = backOff.first; ; wait = Math.min(wait * 2, backOff.longest)) {
        try {
          const appending = log.append(channel, data, numbered);
          const position = await scope.waitFor(owner, options.signal, appending);
          this.#isFailing = false;
          return position;
        } catch (error) {
          if (options.signal?.aborted) throw options.signal.reason;
          if (this.#ended) throw error;
          this.#failed(error, channel);
        }
        await scope.sleep(owner, wait * (0.5 + clock.random() / 2), options.signal);
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
