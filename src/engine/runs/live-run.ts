import type { Settle } from "../../base/scope.ts";
import { CancelError, type CancelledBy, ExistsError, RunError, SealedError } from "../../model/errors.ts";
import type { Run, RunOptions, RunsReport, Task } from "../../model/run.ts";
import type { RunStatus } from "../../model/run-event.ts";
import { foreignEnding } from "./foreign-ending.ts";
import { type Renewing, renewRun } from "./renewed-run.ts";
import { checkReason } from "./run-access.ts";
import { RunChannel, type RunContext, type StartOptions } from "./run-channel.ts";
import { type Ended, encode, endingText, failureOf, type Outcome, resultIn } from "./run-ending.ts";
import type { RunObserver } from "./run-observer.ts";
import { RunRecord } from "./run-record.ts";
import { presentOf, type StoredRun, stateOf } from "./run-state.ts";
import { TaskEvents } from "./task-events.ts";

/** The memory that an ended run takes besides its texts, in bytes: measured on V8 and rounded up. */
const rowCost = 768;

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
  /** When the run ended, on the clock's `now`; later, when its ending was written, from which on its log keeps it. */
  endedAt: number = Infinity;
  /**
   * Settles once the start is in the log. Set only while the start has yet to replace the events of an earlier run with
   * the same id.
   */
  begun: Promise<void> | undefined;
  readonly #context: RunContext;
  readonly #observer: RunObserver<LiveRun>;
  readonly #channel: RunChannel;
  /** When the run was started and when it ended, in milliseconds since the Unix epoch. */
  readonly startTime: number;
  endTime: number | undefined;
  readonly #record: RunRecord;
  /** Settles once the log was asked to begin the run, and has answered. Undefined before. */
  #starting: Promise<[PromiseSettledResult<void>]> | undefined;
  /** The name of this node when the run began. */
  #node: string | undefined;
  /** What `result` rejects with, if this process writes no ending: the log has refused the run, or it is lost. */
  #refused: ExistsError | RunError | undefined;
  /** Undefined once the ending has been written or given up. */
  #abort: AbortController | undefined = new AbortController();
  #waiting: Set<Settle<unknown>> | undefined = new Set();
  /** The caller's signal. After the ending it is kept only if it cancelled the run. */
  #signal: AbortSignal | undefined;
  readonly #unlink: () => void;
  #abandoned = false;
  /** Whether the ending is in the log, and kept for a store that may forget it. */
  #isWritten = false;
  readonly #events: TaskEvents;

  constructor(context: RunContext, id: string, options: RunOptions, observer: RunObserver<LiveRun>) {
    this.#context = context;
    this.#observer = observer;
    this.id = id;
    this.name = options.name;
    this.owner = options.owner;
    this.asksToCancel = options.cancel === "authorized";
    this.#channel = new RunChannel(context, id, options.channel);
    this.#events = new TaskEvents(context, this, this.#channel);
    this.startTime = context.clock.time();
    this.#record = new RunRecord(context.records);
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
    const { progress } = this.#events;
    return progress === undefined ? text : `${text.slice(0, -1)},"progress":${progress}}`;
  }

  /** Bytes that the run takes in memory after its ending. A character takes at most two. */
  get bytes(): number {
    const texts = [this.id, this.name, this.owner, this.#events.progress];
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
      const isStopping = this.#abandoned || this.#abort?.signal.aborted || this.#refused !== undefined;
      return `${this.label}${isStopping ? ", ignores its signal" : ""}`;
    };
    const begun = this.#begin(mayReplace ? "first" : undefined);
    const clear = (): void => {
      this.begun = undefined;
    };
    if (mayReplace) this.begun = begun.then(clear, clear);
    this.#context.scope.own("run", owner, this.#live(begun, task));
  }

  async #begin(place: "first" | undefined): Promise<void> {
    // Only then this process knows its own name, by which others find the run.
    while (this.#context.joining !== undefined) await this.#context.joining;
    if (this.status !== "working") return;
    this.#node = this.#context.nodes.id;
    const beginning = this.#channel.begin(this.#startText, this.#startOptions(place));
    this.#starting = Promise.allSettled([beginning]);
    // A run that the log refuses is announced to nobody, nor one that has no place in it any more.
    if (place !== undefined || this.#node !== undefined) await beginning;
    await Promise.all([beginning, this.#channel.announce(this.#startText, { signal: this.#channel.signal })]);
  }

  #startOptions(place: StartOptions["place"]): StartOptions {
    return { place, state: stateOf(this.#stored), hold: this.#record.text };
  }

  get #startText(): string {
    return encode({ type: "run.started", run: this.id, name: this.name });
  }

  /** What the channel says of the run. */
  get #stored(): StoredRun {
    const { id: run, name, owner, asksToCancel, status, startTime: started, endTime: ended } = this;
    const { announced } = this.#channel;
    return { run, name, owner, asksToCancel, announced, status, node: this.#node, started, ended };
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
      const value = await this.#events.call(task, signal);
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

  /**
   * Called when another process ends the run, because the log takes this one for gone: from now on nothing of it is
   * written here. A run whose ending was under way has the ending that the log says. One that waits to begin waits on.
   */
  lose(cause: Error): void {
    if (this.#starting === undefined) return;
    const lost = new RunError(this.id, { cause, reason: "lost" });
    this.#channel.stop(lost);
    if (this.status !== "working") return;
    const abort = this.#abort;
    this.#refused = lost;
    this.#ended("failed");
    this.#settle({ error: lost });
    abort?.abort(lost);
  }

  /**
   * Called when the store was set back or lost: what the log must have of the run is written again, unless it is there.
   * `endingOf` returns the ending that was written, if it is known. Returns whether it is not known and would have been
   * needed.
   */
  async renew(endingOf: () => string | undefined): Promise<boolean> {
    await this.#starting;
    if (this.#starting === undefined) return false;
    const renewing: Renewing = {
      channel: this.#channel,
      stored: () => this.#stored,
      isForeign: () => this.#refused !== undefined || this.#channel.isStopped,
      isOver: () => this.#waiting === undefined || this.#isWritten,
      endingOf,
      begin: (place) => {
        this.#record.replace();
        return this.#channel.beginAgain(this.#startText, this.#startOptions(place));
      },
      hold: () => this.#channel.hold(this.#record.text),
      leave: () => this.#record.leave(),
      end: (ending) => this.#channel.confirm(ending, stateOf(this.#stored)),
      release: () => this.#record.release(),
    };
    return this.#record.renewing(() => renewRun(this.#context, this, renewing));
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
    checkReason(this.label, reason);
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
    return resultIn(this.id, await this.#channel.readEnding(this.label, signal));
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
    this.#ended(status);
    // It still waits for a place in the log. Without a start there is nothing to end.
    const settled = status === "failed" ? failureOf(this.id, outcome) : outcome;
    if (this.#starting === undefined) return this.#settle(settled);
    // What cannot be written is reported as undelivered, and a failed announcement by `announceEnding`.
    const isOfNodes = this.#node !== undefined;
    if (isOfNodes && this.#channel.start === undefined) {
      // Behind a start that is refused, the ending would be that of another run.
      const [started] = await this.#starting;
      const why = started.status === "rejected" ? started.reason : undefined;
      if (why !== undefined) return why instanceof ExistsError ? this.#refuse(why) : this.#settle(settled);
    }
    const once = { isOfNodes, started: this.startTime };
    const announce = () => this.#channel.announceEnding(data, `${this.label} is ${status}`, once);
    // Another node may have ended the run: then its ending is announced.
    const announcing = isOfNodes ? undefined : announce();
    const confirming = this.#channel.confirm(data, stateOf(this.#stored));
    const [written] = await Promise.allSettled([confirming, announcing]);
    const isForeign = written.status === "rejected" && written.reason instanceof SealedError;
    if (isForeign || this.#channel.isStopped) {
      // It is the own one if only the answer was lost.
      const isLeft = (await this.#adopt()) === data && !(await announce());
      // A process that the log takes for gone holds nothing any more.
      if (!isLeft && !this.#channel.isStopped) this.#record.release();
      return;
    }
    // Without an ending, the next process ends the run.
    if (written.status === "fulfilled") {
      this.endedAt = this.#context.clock.now();
      this.#observer.written(this, data);
      this.#isWritten = true;
      if (await (announcing ?? announce())) this.#record.done();
    }
    this.#settle(settled);
  }

  #ended(status: Ended): void {
    this.status = status;
    this.endedAt = this.#context.clock.now();
    this.endTime = this.#context.clock.time();
    this.#unlink();
  }

  /** Settles with the ending that another process has written, and returns its text. Without one the run is lost. */
  async #adopt(): Promise<string | undefined> {
    const found = await foreignEnding(this.#context, this.id, this.startTime);
    this.status = found.status;
    if (found.position === undefined) this.#refused = found.outcome.error;
    this.#channel.ending = found.position;
    this.#settle(found.outcome);
    return found.data;
  }

  /** Settles the calls that wait for the result, and releases everything that only they need. */
  #settle(outcome: Outcome): void {
    const waiting = this.#waiting ?? [];
    const error = "error" in outcome ? outcome.error : undefined;
    const isOwn = this.status === "cancelled" && this.#signal?.aborted && this.#signal.reason === error;
    if (!isOwn) this.#signal = undefined;
    this.#waiting = undefined;
    this.#abort = undefined;
    for (const settle of [...waiting]) {
      if ("value" in outcome) settle.resolve(outcome.value);
      else settle.reject(error);
    }
    this.#observer.settled(this);
  }
}
