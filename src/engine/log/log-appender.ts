import type { Clock } from "../../base/clock.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import { closed, ExistsError, SealedError } from "../../model/errors.ts";
import type { AppendAllOptions, AppendEntry, AppendOptions, Log, Position } from "../../model/log.ts";
import type { Current } from "./append-queue.ts";
import { backOff, jittered, longer } from "./back-off.ts";
import { lastingError } from "./log-failure.ts";
import type { LogHealth } from "./log-health.ts";
import { appendingTo } from "./pending-appends.ts";
import { Writers } from "./writers.ts";

/** What an appender is created from. */
export interface LogAppenderParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly scope: Scope;
  readonly health: LogHealth;
  /** Settles once this process may append. Undefined if there is nothing to wait for. */
  joining?(): Promise<void> | undefined;
  onError(error: unknown, owner: string): void;
}

/** Appends to the log, and retries while the log fails. */
export class LogAppender {
  readonly #parts: LogAppenderParts;
  readonly #writers: Writers;
  /** Whether an error that no retry can fix was reported, and nothing was appended since. */
  #isLost = false;
  /** Whether the log appends synchronously; undefined before the first append. */
  #isAtOnce: boolean | undefined;
  #ended = false;

  constructor(parts: LogAppenderParts) {
    this.#parts = parts;
    this.#writers = new Writers(parts.clock);
  }

  /** Whether the log appends synchronously, as far as is known. */
  get isAtOnce(): boolean {
    return this.#isAtOnce !== false;
  }

  /**
   * Appends until the log succeeds; synchronously where the log does. Rejects with the signal's reason, with the log's
   * refusal of the place, or with a lasting `LogError`. `current` is called before each attempt.
   */
  append(channel: string, data: string, options: AppendOptions, current?: Currently): MaybePromise<Position> {
    const joining = this.#parts.joining?.();
    if (joining !== undefined) return this.#joined(joining, channel, data, options, current);
    // The result of an append may be lost although the append was made. With a number it can be sent again safely.
    const numbered = this.#isAtOnce ? options : { ...options, once: this.#writers.next(channel) };
    const { log } = this.#parts;
    let appending: MaybePromise<Position>;
    try {
      appending = log.append(channel, data, asOf(numbered, current));
      if (appending instanceof Promise) this.#isAtOnce ??= false;
    } catch (error) {
      appending = Promise.reject(error);
    }
    if (appending instanceof Promise) {
      const again = () => log.append(channel, data, asOf(numbered, current));
      return this.#retry(channel, numbered, appending, again);
    }
    this.#answered();
    return appending;
  }

  /** Whether several publications can be appended together now. */
  get takesSeveral(): boolean {
    return !this.isAtOnce && this.#parts.log.appendAll !== undefined && this.#parts.joining?.() === undefined;
  }

  /** Appends several publications together, until the log succeeds, as `append` does. Returns the position of the last. */
  appendAll(
    channel: string,
    entries: readonly AppendEntry[],
    options: AppendAllOptions,
    current?: Currently,
  ): Promise<Position> {
    const numbered = { ...options, once: this.#writers.next(channel) };
    const { log } = this.#parts;
    const send = async () => (log as Required<Log>).appendAll(channel, entries, asOf(numbered, current));
    return this.#retry(channel, numbered, send(), send);
  }

  async #joined(
    joining: Promise<void>,
    channel: string,
    data: string,
    options: AppendOptions,
    current: Currently | undefined,
  ): Promise<Position> {
    await this.#parts.scope.waitFor(appendingTo(channel), options.signal, joining);
    if (this.#ended) throw closed("publish");
    return this.append(channel, data, options, current);
  }

  /** Called after a synchronous append: such a log needs no numbers. */
  #answered(): void {
    this.#worked();
    if (this.#isAtOnce === true) return;
    this.#isAtOnce = true;
    this.#writers.clear();
  }

  #worked(): void {
    this.#isLost = false;
    this.#parts.health.worked("appends");
  }

  /** Waits for an append that was started, and retries it while it fails. */
  async #retry(
    channel: string,
    { once, signal }: Pick<AppendOptions, "once" | "signal">,
    first: Promise<Position>,
    again: () => MaybePromise<Position>,
  ): Promise<Position> {
    const owner = appendingTo(channel);
    const { clock, scope } = this.#parts;
    let appending: MaybePromise<Position> = first;
    try {
      for (let wait = backOff.first; ; wait = longer(wait)) {
        try {
          const position =
            appending instanceof Promise ? await scope.waitFor(owner, signal, appending) : appending;
          this.#worked();
          return position;
        } catch (error) {
          if (signal?.aborted) throw signal.reason;
          if (this.#ended || isRefusal(error)) throw error;
          this.#failed(error, channel);
        }
        await scope.sleep(owner, jittered(wait, clock), signal);
        // Between two attempts this process may have lost its place, and get another one.
        const joining = this.#parts.joining?.();
        if (joining !== undefined) await scope.waitFor(owner, signal, joining);
        try {
          appending = again();
          if (!(appending instanceof Promise)) this.#answered();
        } catch (error) {
          appending = Promise.reject(error);
        }
      }
    } catch (error) {
      // A refused append does not count.
      if (!isRefusal(error)) this.#writers.abandon(channel);
      else if (once !== undefined) this.#writers.undo(channel, once);
      throw error;
    }
  }

  /** Reports an error, and throws one that no retry can fix. */
  #failed(error: unknown, channel: string): void {
    const { health, onError } = this.#parts;
    const lasting = lastingError(error, `publish to ${JSON.stringify(channel)}`);
    health.failed("appends", lasting ?? error);
    if (!this.#isLost) onError(lasting ?? error, appendingTo(channel));
    if (lasting === undefined) return;
    this.#isLost = true;
    throw lasting;
  }

  /**
   * Appends once, and rejects when the log does. Other appends to the channel may be under way: it takes no number of
   * theirs.
   */
  async ahead(channel: string, data: string, options: AppendOptions): Promise<Position> {
    const { log, health } = this.#parts;
    try {
      const position = await log.append(channel, data, options);
      await log.commit?.();
      health.worked("appends");
      return position;
    } catch (error) {
      if (!isRefusal(error) && !this.#ended) health.failed("appends", error);
      throw error;
    }
  }

  /** Ends the appender. Errors after that are caused by the end, and are neither reported nor retried. */
  end(): void {
    this.#ended = true;
    this.#writers.clear();
  }
}

type Currently = () => Current;

function asOf<Options extends AppendOptions | AppendAllOptions>(
  options: Options,
  current: Currently | undefined,
): Options {
  return current === undefined ? options : { ...options, ...current() };
}

/** Whether an error is the log's answer to an append in a place that it cannot have. */
function isRefusal(error: unknown): boolean {
  return error instanceof ExistsError || error instanceof SealedError;
}
