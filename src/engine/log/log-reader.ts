import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { Log, ReadOptions, Slice, WakeHint } from "../../model/log.ts";
import { checkSlice, lastingError } from "./log-failure.ts";
import type { LogHealth } from "./log-health.ts";

/** What a log reader is created from. */
export interface LogReaderParts {
  readonly log: Log;
  readonly scope: Scope;
  readonly health: LogHealth;
  /**
   * Returns a promise that settles once the run that writes this channel has begun it. Returns undefined if there is
   * nothing to wait for.
   */
  begun(channel: string): Promise<void> | undefined;
  /** Returns how many entries the ledger has made. A read that begins now does not cover later ones. */
  sequence(): number;
  /** Called with what was read, and with `sequence` as it was when the read began. */
  looked(channel: string, slice: Slice, sequence: number): void;
  /** Called with entries that were read, and with those that a wake has brought. */
  found(channel: string, slice: Slice): void;
}

/**
 * Reads and watches the log for all parts of a notifier.
 *
 * It checks each slice, passes it to the ledger, and turns a failure that no retry can fix into a lasting `LogError`.
 */
export class LogReader {
  readonly #parts: LogReaderParts;
  readonly #log: Log;
  #isAtOnce = false;
  #isClosed = false;
  #isOver = false;

  constructor(parts: LogReaderParts) {
    this.#parts = parts;
    this.#log = parts.log;
  }

  /** Bytes that the log holds; 0 if it does not report them. */
  get bytes(): number {
    return this.#log.bytes ?? 0;
  }

  /** Whether the last read was synchronous. */
  get isAtOnce(): boolean {
    return this.#isAtOnce;
  }

  /** Reads a channel; synchronously where the log does. It then throws where it would otherwise reject. */
  read(channel: string, options: ReadOptions): MaybePromise<Slice> {
    if (this.#isOver) throw closed(`read ${JSON.stringify(channel)}`);
    const sequence = this.#parts.sequence();
    const begun = this.#parts.begun(channel);
    const reading =
      begun === undefined ? this.#ask(channel, options) : begun.then(() => this.#ask(channel, options));
    if (!(reading instanceof Promise)) return this.#checked(channel, options, reading, sequence);
    const checked = reading.then(
      (slice) => this.#checked(channel, options, slice, sequence),
      (error: unknown) => this.#failed(error, `read ${JSON.stringify(channel)}`, options.signal),
    );
    return this.#parts.scope.waitFor(`read ${channel}`, options.signal, checked);
  }

  #ask(channel: string, options: ReadOptions): MaybePromise<Slice> {
    try {
      const answer = this.#log.read(channel, options);
      this.#isAtOnce = !(answer instanceof Promise);
      return answer;
    } catch (error) {
      return this.#failed(error, `read ${JSON.stringify(channel)}`, options.signal);
    }
  }

  #checked(channel: string, options: ReadOptions, slice: Slice, sequence: number): Slice {
    const { health } = this.#parts;
    try {
      checkSlice(channel, options, slice);
    } catch (error) {
      health.failed("reads", error);
      throw error;
    }
    health.worked("reads");
    this.#parts.looked(channel, slice, sequence);
    this.#parts.found(channel, slice);
    return slice;
  }

  /** Takes what wakes have brought of a channel, so that it need not be read. */
  take(channel: string, slice: Slice): Slice {
    this.#parts.found(channel, slice);
    return slice;
  }

  /** Watches a channel; synchronously where the log does. It then throws where it would otherwise reject. */
  watch(channel: string, wake: (hint?: WakeHint) => void): MaybePromise<AsyncDisposable> {
    const failed = (error: unknown): never => this.#failed(error, `watch ${JSON.stringify(channel)}`);
    try {
      const watching = this.#log.watch(channel, wake);
      return watching instanceof Promise ? watching.catch(failed) : watching;
    } catch (error) {
      return failed(error);
    }
  }

  /**
   * Throws the error of a failed call. A `ClosedError` after this notifier closed the log is expected, and is no failure
   * of the log.
   */
  #failed(error: unknown, doing: string, signal?: AbortSignal): never {
    if (this.#isClosed || signal?.aborted) throw error;
    const thrown = lastingError(error, doing) ?? error;
    this.#parts.health.failed("reads", thrown);
    throw thrown;
  }

  /** Ends the reader: reads throw a `ClosedError` from now on. */
  end(): void {
    this.#isOver = true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#log[Symbol.asyncDispose]();
  }
}
