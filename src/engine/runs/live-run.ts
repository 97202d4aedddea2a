import { ignorable, type Settle } from "../../base/scope.ts";
import {
  CancelError,
  type CancelledBy,
  ClosedError,
  describe,
  ExistsError,
  LogError,
  RunError,
} from "../../model/errors.ts";
import type { Run, RunOptions, RunsReport, Task } from "../../model/run.ts";
import type { RunEvent, RunStatus } from "../../model/run-event.ts";
import { exempt, urgent } from "../log/append-queue.ts";
import { acceptedEvent, shortProgress } from "./accepted-event.ts";
import { RunChannel, type RunContext } from "./run-channel.ts";
import { type Ended, encode, endingText, type Outcome, resultIn } from "./run-ending.ts";
import { presentOf, type StoredRun, stateOf } from "./run-state.ts";
import { LiveContext } from "./task-context.ts";

/** The memory that an ended run takes besides its texts, in bytes: measured on V8 and rounded up. */
const rowCost = 768;
/** Informed about the life of a run. The registry implements it. */
export interface RunObserver {
  /** Called when the run has ended. Its ending is not in the log yet. */
  ended(run: LiveRun): void;
  /** Called when the ending is in the log, or has been given up. */
  settled(run: LiveRun): void;
  /** Called when the log refused the run, because another run with its id is kept. Nothing of it was written. */
  refused(run: LiveRun): void;
}

/**
 * One run: it runs its task, and writes its channel. Once the ending is written, it keeps only what its public members
 * return.
 */
export class LiveRun implements Run<unknown> {
  readonly id: string;
  readonly name: string | undefined;
  readonly owner: string | undefined;
  readonly asksToCancel: boolean;
  status: RunStatus = "working";
  /** When the run ended, on the clock's `now`. */
  endedAt: number = Infinity;
  /**
   * Settles once the start is in the log. Set only while the start has yet to replace the events of an earlier run with
   * the same id.
   */
  begun: Promise<void> | undefined;
  readonly #context: RunContext;
  readonly #observer: RunObserver;
  readonly #channel: RunChannel;
  /** When the run was started and when it ended, in milliseconds since the Unix epoch. */
  readonly startTime: number;
  endTime: number | undefined;
  /** What the log holds for the run while it works. */
  readonly #record: string | undefined;
  /** The error of the log that refused the run. */
  #refused: ExistsError | undefined;
  /** Undefined once the ending has been written or given up. */
  #abort: AbortController | undefined = new AbortController();
  #waiting: Set<Settle<unknown>> | undefined = new Set();
  /** The caller's signal. After the ending it is kept only if it cancelled the run. */
  #signal: AbortSignal | undefined;
  readonly #unlink: () => void;
  #abandoned = false;
  /** The last progress event, as JSON text. */
  #progress: string | undefined;

  constructor(context: RunContext, id: string, options: RunOptions, observer: RunObserver) {
    this.#context = context;
    this.#observer = observer;
    this.id = id;
    this.name = options.name;
    this.owner = options.owner;
    this.asksToCancel = options.cancel === "authorized";
    this.#channel = new RunChannel(context, id, options.channel);
    this.startTime = context.clock.time();
    this.#record = context.records.create({ is: "run" });
    this.#signal = options.signal;
    this.#unlink = context.scope.link(options.signal, (reason) => this.#stop(reason));
  }

  get activity(): Run<unknown>["activity"] {
    return this.#channel.activity;
  }

  /** The run as people read it. */
  get label(): string {
    return `run:${this.id}${this.name === undefined ? "" : ` ${JSON.stringify(this.name)}`}`;
  }

  /** The status as JSON text. Each new subscriber is sent it, so that one that comes after the start misses nothing. */
  get present(): string {
    const text = presentOf({ run: this.id, name: this.name, status: this.status });
    return this.#progress === undefined ? text : `${text.slice(0, -1)},"progress":${this.#progress}}`;
  }

  /** Bytes that the run takes in memory after its ending. A character takes at most two. */
  get bytes(): number {
    const texts = [this.id, this.name, this.owner, this.#progress];
    return texts.reduce((sum, text) => sum + 2 * (text?.length ?? 0), rowCost);
  }

  /**
   * How the run ended, for the report of closing. Valid once nothing more is written. It agrees with what a reader of
   * the channel finds.
   */
  get ending(): keyof RunsReport {
    if (this.#refused !== undefined) return "failed";
    return this.#abandoned || this.#channel.ending === undefined ? "abandoned" : (this.status as Ended);
  }

  /** Starts the task. `mayReplace` means that the channel may hold events of an earlier run. */
  start(task: Task<unknown>, mayReplace: boolean): void {
    const owner = (): string => {
      const isStopping = this.#abandoned || this.#abort?.signal.aborted;
      return `${this.label}${isStopping ? ", ignores its signal" : ""}`;
    };
    const begun = this.#begin(mayReplace ? "first" : undefined);
    if (mayReplace) {
      const clear = (): void => {
        this.begun = undefined;
      };
      this.begun = begun.then(clear, clear);
    }
    this.#context.scope.own("run", owner, this.#live(begun, task));
  }

  async #begin(place: "first" | undefined): Promise<void> {
    const data = encode({ type: "run.started", run: this.id, name: this.name });
    // Only then this process knows its own name, by which others find the run.
    const { joining } = this.#context;
    if (joining !== undefined) await joining;
    const beginning = this.#channel.append(data, urgent, { place, state: this.#state, hold: this.#record });
    // A run that the log refuses is announced to nobody.
    if (place !== undefined) await beginning;
    await Promise.all([beginning, this.#channel.announce(data)]);
  }

  /** What the channel says of the run. */
  get #state(): string {
    const { id: run, name, owner, asksToCancel, status, startTime: started, endTime: ended } = this;
    const stored: StoredRun = {
      run,
      name,
      owner,
      asksToCancel,
      announced: this.#channel.announced,
      status,
      node: this.#context.nodes.id,
      started,
      ended,
    };
    return stateOf(stored);
  }

  async #live(begun: Promise<void>, task: Task<unknown>): Promise<void> {
    const { signal } = this.#abort as AbortController;
    try {
      await begun;
    } catch (error) {
      if (error instanceof ExistsError) return this.#refuse(error);
    }
    try {
      await begun;
      if (signal.aborted) throw signal.reason;
      const context = new LiveContext(this.id, signal, (event) => this.#emit(event));
      const made = task(context);
      const value = isGenerator(made) ? await this.#drive(made, context) : await made;
      await this.#end("completed", { value });
    } catch (error) {
      await (signal.aborted ? this.#endCancelled() : this.#end("failed", { error }));
    }
  }

  /** Ends a run that the log has refused: its task is not called, and nothing is written. */
  #refuse(error: ExistsError): void {
    this.status = "failed";
    this.#refused = error;
    this.#unlink();
    this.#observer.refused(this);
    this.#settle({ error });
  }

  async #drive(generator: AsyncGenerator<RunEvent, unknown, void>, context: LiveContext): Promise<unknown> {
    let next = await generator.next();
    while (!next.done) {
      next = await this.#yielded(next.value, context).then(
        () => generator.next(),
        (error) => generator.throw(error),
      );
    }
    return next.value;
  }

  /**
   * Writes a yielded event. The task continues once the event is in the log, so the append may wait for as long as
   * needed.
   */
  async #yielded(event: RunEvent, context: LiveContext): Promise<void> {
    await this.#channel.append(this.#accepted(event), exempt);
    context.throwIfDeaf();
  }

  #emit(event: RunEvent): Promise<void> {
    let data: string;
    try {
      data = this.#accepted(event);
    } catch (error) {
      const refused = Promise.reject(error);
      return error instanceof ClosedError ? ignorable(refused) : refused;
    }
    return ignorable(this.#channel.append(data));
  }

  /** Returns the text of an event. Throws if the event must not be written. */
  #accepted(event: RunEvent): string {
    const data = acceptedEvent(this.#context, this, event);
    if (event.type === "progress") this.#progress = shortProgress(data);
    return data;
  }

  /** Cancels the run for someone. Only the first call has an effect. */
  cancelBy(by: CancelledBy, reason?: string, cause?: unknown): void {
    if (this.status !== "working" || this.#abort?.signal.aborted) return;
    this.#stop(new CancelError(by, reason, cause === undefined ? undefined : { cause }));
  }

  /**
   * Aborts the task's signal. The task may be waiting for a yielded event, so that event no longer waits for
   * subscribers.
   */
  #stop(reason: unknown): void {
    this.#abort?.abort(reason);
    this.#channel.hurry();
  }

  async cancel(reason?: string): Promise<void> {
    if (reason !== undefined && typeof reason !== "string")
      throw new TypeError(
        `Cannot cancel ${this.label} for "${describe(reason as unknown).message}": a reason is a text`,
      );
    this.cancelBy("caller", reason);
    await this.ended();
  }

  /** Settles once the run has ended, whatever its ending is. */
  async ended(): Promise<void> {
    if (this.#waiting !== undefined) await this.result().catch(() => {});
  }

  /** Ends the run as cancelled although its task is still running. */
  async abandon(): Promise<void> {
    if (this.status !== "working") return;
    this.#abandoned = true;
    await this.#endCancelled();
  }

  result({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const waiting = this.#waiting;
    if (waiting === undefined) return this.#readResult(signal);
    return this.#context.scope.wait<unknown>(`result of ${this.label}`, signal, (settle) => {
      waiting.add(settle);
      return () => waiting.delete(settle);
    });
  }

  /**
   * Returns the result from the written ending. If the caller's own signal cancelled the run, throws that signal's
   * reason.
   */
  async #readResult(signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#refused !== undefined) throw this.#refused;
    if (this.#signal !== undefined) throw this.#signal.reason;
    const { ending } = this.#channel;
    if (ending === undefined) {
      const message = `Cannot read the result of ${this.label}: its ending is not in the log`;
      throw new LogError(message, { lasting: true });
    }
    return resultIn(this.id, await this.#channel.readEnding(ending, signal));
  }

  #endCancelled(): Promise<void> {
    return this.#end("cancelled", { error: this.#abort?.signal.reason });
  }

  /** Writes the ending. Only the first call has an effect. */
  async #end(status: Ended, outcome: Outcome): Promise<void> {
    if (this.status !== "working") return;
    let data: string;
    try {
      data = endingText(this.#context, this, status, outcome);
    } catch (error) {
      // The result cannot be serialised.
      return this.#end("failed", { error });
    }
    this.status = status;
    this.endedAt = this.#context.clock.now();
    this.endTime = this.#context.clock.time();
    this.#unlink();
    this.#observer.ended(this);
    // An ending that cannot be written is reported as undelivered. A failed announcement is reported by
    // `announceEnding`.
    const announcing = this.#channel.announceEnding(data, `${this.label} is ${status}`);
    const [written] = await Promise.allSettled([this.#channel.confirm(data, this.#state), announcing]);
    // Without an ending, the next process ends the run.
    if (written.status === "fulfilled") this.#context.records.release(this.#record);
    this.#settle(outcome);
  }

  /** Settles the calls that wait for the result, and releases everything that only they need. */
  #settle(outcome: Outcome): void {
    const waiting = this.#waiting ?? [];
    const cause = "error" in outcome ? outcome.error : undefined;
    const isOwn = this.status === "cancelled" && this.#signal?.aborted && this.#signal.reason === cause;
    if (!isOwn) this.#signal = undefined;
    this.#waiting = undefined;
    this.#abort = undefined;
    const isRun = this.status === "failed" && this.#refused === undefined;
    const failure = isRun ? new RunError(this.id, { cause }, describe(cause).message) : undefined;
    for (const settle of [...waiting]) {
      if ("value" in outcome) settle.resolve(outcome.value);
      else settle.reject(failure ?? cause);
    }
    this.#observer.settled(this);
  }
}

function isGenerator(made: unknown): made is AsyncGenerator<RunEvent, unknown, void> {
  return typeof (made as AsyncGenerator | null)?.next === "function";
}
