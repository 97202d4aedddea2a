import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import type { Log, ReadOptions, Slice } from "../../model/log.ts";
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
  #isClosed = false;

  constructor(parts: LogReaderParts) {
    this.#parts = parts;
    this.#log = parts.log;
  }

  /** Bytes that the log holds, where it says so. */
  get bytes(): number {
    return this.#log.bytes ?? 0;
  }

  read(channel: string, options: ReadOptions): Promise<Slice> {
    const { scope } = this.#parts;
    const sequence = this.#parts.sequence();
    const begun = this.#parts.begun(channel);
    const read = (): Promise<Slice> => called(() => this.#log.read(channel, options));
    const reading = (begun === undefined ? read() : begun.then(read)).then(
      (slice) => this.#checked(channel, options, slice, sequence),
      (error: unknown) => this.#throw(error, `read ${JSON.stringify(channel)}`),
    );
    return scope.waitFor(`read ${channel}`, options.signal, reading);
  }

  /** Reads at once, where the log can. What goes wrong there goes wrong again, and is reported, where it is waited for. */
  readNow(channel: string, options: ReadOptions): Slice | undefined {
    if (this.#parts.begun(channel) !== undefined) return undefined;
    const sequence = this.#parts.sequence();
    try {
      const slice = this.#log.readNow?.(channel, options);
      return slice && this.#checked(channel, options, slice, sequence);
    } catch {
      return undefined;
    }
  }

  #checked(channel: string, options: ReadOptions, slice: Slice, sequence: number): Slice {
    checkSlice(channel, options, slice);
    this.#parts.looked(channel, slice, sequence);
    return slice;
  }

  /** Watches, at once where the log can; as with `readNow`. */
  watch(channel: string, wake: () => void): MaybePromise<AsyncDisposable> {
    try {
      const watching = this.#log.watchNow?.(channel, wake);
      if (watching !== undefined) return watching;
    } catch {}
    const failed = (error: unknown): never => this.#throw(error, `watch ${JSON.stringify(channel)}`);
    return called(() => this.#log.watch(channel, wake)).catch(failed);
  }

  /** A log that its own notifier has closed is no failure. */
  #throw(error: unknown, doing: string): never {
    throw (this.#isClosed ? undefined : lastingError(error, doing)) ?? error;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#log[Symbol.asyncDispose]();
  }
}

/** A log that throws where it should reject is not to be told from one that rejects. */
function called<T>(act: () => Promise<T>): Promise<T> {
  return new Promise((resolve) => resolve(act()));
}
