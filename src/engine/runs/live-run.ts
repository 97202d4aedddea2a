import { isObject } from "../../base/check.ts";
import { ignorable, type Settle } from "../../base/scope.ts";
import {
  CancelError,
  type CancelledBy,
  ClosedError,
  describe,
  LogError,
  RunError,
} from "../../model/errors.ts";
import type { AppendOptions } from "../../model/log.ts";
import type { Run, RunOptions, RunsReport, Task } from "../../model/run.ts";
import type { RunEvent, RunStatus } from "../../model/run-event.ts";
import { isVocabulary } from "../../model/vocabulary.ts";
import { validated } from "../core/event-check.ts";
import { exempt, urgent } from "../log/append-queue.ts";
import { RunChannel, type RunContext } from "./run-channel.ts";
import { type Ended, encode, endingText, type Outcome, resultIn } from "./run-ending.ts";
import { LiveContext } from "./task-context.ts";

/** What an ended run takes beside its texts, as measured on V8 and rounded up. */
const rowCost = 768;
/**
 * The longest progress event, and the longest ending, that is kept for those who come late, in characters. Of a longer
 * progress event only the numbers are, and a longer ending is in the log.
 */
const longestKept = 1_000;

/** Who hears of a run's life: its registry. */
export interface RunObserver {
  /** It has ended; its ending is on its way into the log. */
  ended(run: LiveRun): void;
  /** Its ending is in the log, or will never be. */
  settled(run: LiveRun): void;
}

/** One run: drives its task, and writes its channel. Idempotency its ending is written nothing is kept of it but what this shows. */
export class LiveRun implements Run<unknown> {
  readonly id: string;
  readonly name: string | undefined;
  readonly owner: string | undefined;
  readonly asksToCancel: boolean;
  status: RunStatus = "working";
  /** When it ended, on the clock's `now`. */
  endedAt: number = Infinity;
  /** Settles once its start is in the log, where that has to push out what an earlier run of its id has left there. */
  begun: Promise<void> | undefined;
  readonly #context: RunContext;
  readonly #observer: RunObserver;
  readonly #channel: RunChannel;
  readonly #startedAt: number;
  /** There until the ending is written, or cannot be. */
  #abort: AbortController | undefined = new AbortController();
  #waiting: Set<Settle<unknown>> | undefined = new Set();
  /** The caller's signal: while it may cancel the run, and then where it did. */
  #signal: AbortSignal | undefined;
  readonly #unlink: () => void;
  #abandoned = false;
  /** The text of its ending, where that is short. */
  #text: string | undefined;
  /** The last one, as JSON text. */
  #progress: string | undefined;

  constructor(context: RunContext, id: string, options: RunOptions, observer: RunObserver) {
    this.#context = context;
    this.#observer = observer;
    this.id = id;
    this.name = options.name;
    this.owner = options.owner;
    this.asksToCancel = options.cancel === "authorized";
    this.#channel = new RunChannel(context, id, options.channel);
    this.#startedAt = context.clock.now();
    this.#signal = options.signal;
    this.#unlink = context.scope.link(options.signal, (reason) => this.#stop(reason));
  }

  get activity(): Run<unknown>["activity"] {
    return this.#channel.activity;
  }

  /** Who it is, for people. */
  get label(): string {
    return `run:${this.id}${this.name === undefined ? "" : ` ${JSON.stringify(this.name)}`}`;
  }

  /** What someone who subscribes is told at once, so that being too late for the start is no loss. */
  get present(): string {
    const text = JSON.stringify({ run: this.id, name: this.name, status: this.status });
    return this.#progress === undefined ? text : `${text.slice(0, -1)},"progress":${this.#progress}}`;
  }

  /** Bytes that it takes once it has ended. A character takes two at most. */
  get bytes(): number {
    const texts = [this.id, this.name, this.owner, this.#progress, this.#text];
    return texts.reduce((sum, text) => sum + 2 * (text?.length ?? 0), rowCost);
  }

  /** How it ended for good, where nothing more is written: whoever reads its channel has to find the same. */
  get ending(): keyof RunsReport {
    return this.#abandoned || this.#channel.ending === undefined ? "abandoned" : (this.status as Ended);
  }

  /** `isAgain`: whether there may be another run's events in its channel. */
  start(task: Task<unknown>, isAgain: boolean): void {
    const owner = (): string => {
      const isToStop = this.#abandoned || this.#abort?.signal.aborted;
      return `${this.label}${isToStop ? ", ignores its signal" : ""}`;
    };
    const begun = this.#begin(isAgain ? "first" : undefined);
    if (isAgain) {
      const over = (): void => {
        this.begun = undefined;
      };
      this.begun = begun.then(over, over);
    }
    this.#context.scope.own("run", owner, this.#live(begun, task));
  }

  async #begin(place: AppendOptions["place"]): Promise<void> {
    const data = encode({ type: "run.started", run: this.id, name: this.name });
    await Promise.all([this.#channel.append(data, urgent, place), this.#channel.announce(data)]);
  }

  async #live(begun: Promise<void>, task: Task<unknown>): Promise<void> {
    const { signal } = this.#abort as AbortController;
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

  /** It waits for room, as the run does for it. */
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

  /** The text of an event that may be written. Throws where it may not. */
  #accepted(event: RunEvent): string {
    const where = `into ${this.label}`;
    if (this.status !== "working") throw new ClosedError(`Cannot emit ${where}: it is ${this.status}`);
    if (!isObject(event) || typeof event.type !== "string")
      throw new TypeError(`Cannot emit ${where}: an event is an object with a type`);
    if (event.type.startsWith("run."))
      throw new TypeError(`Cannot emit "${event.type}" ${where}: types that begin with run. are reserved`);
    const data = this.#context.serialise(`an event of ${this.label}`, this.#valid(event));
    if (event.type === "progress") this.#progress = shortProgress(data);
    return data;
  }

  /** What the schemas make of it. The vocabularies need none. */
  #valid(event: RunEvent): unknown {
    const { events } = this.#context;
    if (events === undefined || (isVocabulary(event.type) && !Object.hasOwn(events, event.type)))
      return event;
    return validated(events, event, { verb: "emit", where: () => `into ${this.label}` });
  }

  /** Cancels on somebody's behalf. Only the first reason counts. */
  cancelBy(by: CancelledBy, reason?: string, cause?: unknown): void {
    if (this.status !== "working" || this.#abort?.signal.aborted) return;
    this.#stop(new CancelError(by, reason, cause === undefined ? undefined : { cause }));
  }

  /** Tells the task to stop, which may be waiting for what it yielded. */
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

  /** Settles once it has ended, however. */
  async ended(): Promise<void> {
    if (this.#waiting !== undefined) await this.result().catch(() => {});
  }

  /** Ends it as cancelled although its task still works. */
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

  /** Reads the ending back. A signal of the caller's own has its reason still. */
  async #readResult(signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#signal !== undefined) throw this.#signal.reason;
    const { ending } = this.#channel;
    if (ending === undefined) {
      const message = `Cannot read the result of ${this.label}: its ending is not in the log`;
      throw new LogError(message, { lasting: true });
    }
    return resultIn(this.id, this.#text ?? (await this.#channel.readEnding(ending, signal)));
  }

  #endCancelled(): Promise<void> {
    return this.#end("cancelled", { error: this.#abort?.signal.reason });
  }

  /** Writes the one ending there is. The first to come is it. */
  async #end(status: Ended, outcome: Outcome): Promise<void> {
    if (this.status !== "working") return;
    let data: string;
    try {
      data = endingText(this.#context, this, status, outcome);
    } catch (error) {
      // The result is nothing that can be written.
      return this.#end("failed", { error });
    }
    this.status = status;
    if (data.length <= longestKept) this.#text = data;
    this.endedAt = this.#context.clock.now();
    this.#unlink();
    this.#observer.ended(this);
    // A log counts the age of each entry from its own time: all of them stay for as long as the ending.
    const ttl = this.#context.settings.limits.runTtl + this.endedAt - this.#startedAt;
    // An ending that is lost is among what is undelivered; its announcement nobody else would hear of.
    const announcing = this.#channel.announceEnding(data, `${this.label} is ${status}`);
    await Promise.allSettled([this.#channel.confirm(data, ttl), announcing]);
    this.#settle(outcome);
  }

  /** Tells those who wait, and lets go of all that only they get. */
  #settle(outcome: Outcome): void {
    const waiting = this.#waiting ?? [];
    const cause = "error" in outcome ? outcome.error : undefined;
    const isOwn = this.status === "cancelled" && this.#signal?.aborted && this.#signal.reason === cause;
    if (!isOwn) this.#signal = undefined;
    this.#waiting = undefined;
    this.#abort = undefined;
    const failure =
      this.status === "failed" ? new RunError(this.id, { cause }, describe(cause).message) : undefined;
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

/** What is kept of a progress event, as JSON text: all of a short one. */
function shortProgress(data: string): string {
  if (data.length <= longestKept) return data;
  const { type, progress, done, total } = JSON.parse(data) as RunEvent;
  const number = (value: unknown): unknown => (typeof value === "number" ? value : undefined);
  return JSON.stringify({ type, progress: number(progress), done: number(done), total: number(total) });
}
