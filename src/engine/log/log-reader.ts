import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import { closed } from "../../model/errors.ts";
import type { Log, ReadOptions, Slice, WakeHint } from "../../model/log.ts";
import { checkSlice, lastingError } from "./log-failure.ts";

/** What a reader needs. */
export interface LogReaderParts {
  readonly log: Log;
  readonly scope: Scope;
  /** Settles once what is written into a channel by a run begins; undefined where that need not be waited for. */
  begun(channel: string): Promise<void> | undefined;
  /** How many things were entered into the ledger: of later ones a read that begins now knows nothing. */
  sequence(): number;
  /** Hears what was read, and the sequence when that began. */
  looked(channel: string, slice: Slice, sequence: number): void;
}

/**
 * Reads and watches the log for everybody in a notifier.
 *
 * What is read is checked, and told to the ledger; what goes wrong for good is told apart from what passes.
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

  /** Bytes that the log holds, where it says so. */
  get bytes(): number {
    return this.#log.bytes ?? 0;
  }

  /** Whether the log has answered at once when it was last read. */
  get isAtOnce(): boolean {
    return this.#isAtOnce;
  }

  /** Reads: at once, where the log does, and throws then what would be rejected with. */
  read(channel: string, options: ReadOptions): MaybePromise<Slice> {
    if (this.#isOver) throw closed(`read ${JSON.stringify(channel)}`);
    const sequence = this.#parts.sequence();
    const begun = this.#parts.begun(channel);
    const reading =
      begun === undefined ? this.#ask(channel, options) : begun.then(() => this.#ask(channel, options));
    this.#isAtOnce = !(reading instanceof Promise);
    if (!(reading instanceof Promise)) return this.#checked(channel, options, reading, sequence);
    const checked = reading.then(
      (slice) => this.#checked(channel, options, slice, sequence),
      (error: unknown) => this.#throw(error, `read ${JSON.stringify(channel)}`),
    );
    return this.#parts.scope.waitFor(`read ${channel}`, options.signal, checked);
  }

  #ask(channel: string, options: ReadOptions): MaybePromise<Slice> {
    try {
      return this.#log.read(channel, options);
    } catch (error) {
      return this.#throw(error, `read ${JSON.stringify(channel)}`);
    }
  }

  #checked(channel: string, options: ReadOptions, slice: Slice, sequence: number): Slice {
    checkSlice(channel, options, slice);
    this.#parts.looked(channel, slice, sequence);
    return slice;
  }

  /** Watches; as with `read`. */
  watch(channel: string, wake: (hint?: WakeHint) => void): MaybePromise<AsyncDisposable> {
    const failed = (error: unknown): never => this.#throw(error, `watch ${JSON.stringify(channel)}`);
    try {
      const watching = this.#log.watch(channel, wake);
      return watching instanceof Promise ? watching.catch(failed) : watching;
    } catch (error) {
      return failed(error);
    }
  }

  /** A log that its own notifier has closed is no failure. */
  #throw(error: unknown, doing: string): never {
    throw (this.#isClosed ? undefined : lastingError(error, doing)) ?? error;
  }

  /** From now on nothing is read. */
  end(): void {
    this.#isOver = true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#log[Symbol.asyncDispose]();
  }
}
