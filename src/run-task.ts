import { byteLength } from "./bytes.ts";
import { appendConfirmed } from "./confirm.ts";
import { CancelError, type CancelledBy, ClosedError, describe, RunError } from "./errors.ts";
import { longestText, shownOf } from "./failure.ts";
import type { Hub } from "./hub.ts";
import type { Retention } from "./log.ts";
import type { RunEvent, RunLifecycleEvent, RunStatus } from "./run.ts";
import { ignorable, type Settle } from "./scope.ts";
import { shortened } from "./text.ts";
import { validated } from "./validate.ts";
import { isVocabulary } from "./vocabulary.ts";

/** What a task is given. */
export interface TaskContext<Event = RunEvent> {
  readonly id: string;
  /** Aborts for every reason to stop. */
  readonly signal: AbortSignal;
  /**
   * Writes an event into the run's channel; settles once it is in the log.
   *
   * Rejects with a TypeError or RangeError for what is no event or what its schema refuses, and with a `ClosedError` once the run has ended. The
   * latter need not be heard: an event that nobody awaits does not end the process because of closing.
   */
  emit(event: Event): Promise<void>;
}

/** A piece of work: it yields its events, or emits them, and returns its result. */
export type Task<R, Event = RunEvent> = (
  context: TaskContext<Event>,
) => AsyncGenerator<Event, R, void> | Promise<R>;

/** How a run is made. */
export interface RunOptions {
  /** Default: a random one. One of your own requires `owner`, since only a random one is a secret. */
  id?: string | undefined;
  /** Another channel on which start and ending are announced. */
  channel?: string | undefined;
  /** The only user who may follow and cancel it. Default: whoever knows the id. */
  owner?: string | undefined;
  /**
   * Which client may cancel it. `"default"`: the owner's, and without an owner whoever knows the id. `"authorized"`: the
   * one that its `authorize` lets `cancel`, whoever owns the run. Default: `"default"`.
   */
  cancel?: "default" | "authorized" | undefined;
  /** What it does, for people. */
  name?: string | undefined;
  /** Cancels it when it aborts; its reason passes through everywhere as it is. */
  signal?: AbortSignal | undefined;
}

/** A piece of work with a lifetime, a channel `run:<id>` of its own, and exactly one ending. */
export interface Run<R> {
  readonly id: string;
  readonly name: string | undefined;
  readonly owner: string | undefined;
  readonly status: RunStatus;
  /** How many events it has written, its start and ending among them, and when the last one, in milliseconds since 1970. */
  readonly activity: { readonly events: number; readonly time: number };
  /**
   * Waits for the ending. Rejects with a `RunError` when the task failed, with a `CancelError` when it was cancelled, or
   * with the reason of `options.signal` when that did it.
   */
  result(options?: { signal?: AbortSignal | undefined }): Promise<R>;
  /** Asks it to stop; settles once it has ended, however. */
  cancel(reason?: string): Promise<void>;
}

/** What became of the runs of a notifier that closed, by id. */
export interface RunsReport {
  completed: string[];
  failed: string[];
  cancelled: string[];
  /** Cancelled, too, but their tasks ignored the signal. */
  abandoned: string[];
}

type Outcome = { value: unknown } | { error: unknown };

/** The channel in which a run writes. */
export function channelOfRun(id: string): string {
  return `${prefix}${id}`;
}

/** Whether a channel is one that a run writes, or would. */
export function isRunChannel(channel: string): boolean {
  return channel.startsWith(prefix);
}

export const prefix = "run:";

/** One run: drives its task, and writes its channel. */
export class LiveRun implements Run<unknown> {
  readonly id: string;
  readonly name: string | undefined;
  readonly owner: string | undefined;
  readonly asksToCancel: boolean;
  status: RunStatus = "working";
  readonly activity: { events: number; time: number };
  /** When it ended, on the clock's `now`. */
  endedAt: number = Number.POSITIVE_INFINITY;
  readonly #hub: Hub;
  readonly #onEnd: (run: LiveRun) => void;
  readonly #announce: string | undefined;
  readonly #startedAt: number;
  readonly #abort = new AbortController();
  readonly #unlink: () => void;
  readonly #waiting = new Set<Settle<unknown>>();
  #abandoned = false;
  #outcome: Outcome | undefined;
  #progress: RunEvent | undefined;

  constructor(hub: Hub, id: string, options: RunOptions, onEnd: (run: LiveRun) => void) {
    this.#hub = hub;
    this.#onEnd = onEnd;
    this.id = id;
    this.name = options.name;
    this.owner = options.owner;
    this.asksToCancel = options.cancel === "authorized";
    this.#announce = options.channel;
    this.#startedAt = hub.clock.now();
    this.activity = { events: 0, time: hub.clock.time() };
    this.#unlink = hub.scope.link(options.signal, (reason) => this.#abort.abort(reason));
  }

  /** Who it is, for people. */
  get label(): string {
    return `run:${this.id}${this.name === undefined ? "" : ` ${JSON.stringify(this.name)}`}`;
  }

  /** What someone who subscribes is told at once, so that being too late for the start is no loss. */
  get present(): string {
    const { status } = this;
    return JSON.stringify({ run: this.id, name: this.name, status, progress: this.#progress });
  }

  start(task: Task<unknown>): void {
    const owner = (): string => `${this.label}${this.#abort.signal.aborted ? ", ignores its signal" : ""}`;
    this.#hub.scope.own("run", owner, this.#live(task));
  }

  async #live(task: Task<unknown>): Promise<void> {
    try {
      await this.#write({ type: "run.started", run: this.id, name: this.name });
      const { signal } = this.#abort;
      if (signal.aborted) throw signal.reason;
      const made = task({ id: this.id, signal, emit: (event) => this.#emit(event) });
      const value = isGenerator(made) ? await this.#drive(made) : await made;
      await this.#end("completed", { value });
    } catch (error) {
      await (this.#abort.signal.aborted ? this.#endCancelled() : this.#end("failed", { error }));
    }
  }

  async #drive(generator: AsyncGenerator<RunEvent, unknown, void>): Promise<unknown> {
    let next = await generator.next();
    while (!next.done) {
      let refused: { error: unknown } | undefined;
      try {
        await this.#emit(next.value);
      } catch (error) {
        refused = { error };
      }
      next = await (refused === undefined ? generator.next() : generator.throw(refused.error));
    }
    return next.value;
  }

  #emit(event: RunEvent): Promise<void> {
    if (this.status !== "working") {
      return ignorable(
        Promise.reject(new ClosedError(`Cannot emit into ${this.label}: it is ${this.status}`)),
      );
    }
    let data: string;
    try {
      data = this.#checked(event);
    } catch (error) {
      return Promise.reject(error);
    }
    return ignorable(this.#append(data, Number.POSITIVE_INFINITY));
  }

  #checked(event: RunEvent): string {
    if (typeof event !== "object" || event === null || typeof event.type !== "string") {
      throw new TypeError(`Cannot emit into ${this.label}: an event is an object with a type`);
    }
    if (event.type.startsWith("run.")) {
      const what = `"${event.type}" into ${this.label}`;
      throw new TypeError(`Cannot emit ${what}: types that begin with run. are reserved`);
    }
    const data = this.#hub.serialise(`an event of ${this.label}`, this.#valid(event));
    if (event.type === "progress") this.#progress = JSON.parse(data) as RunEvent;
    return data;
  }

  /** What the schemas make of it. The vocabularies need none. */
  #valid(event: RunEvent): unknown {
    const { events } = this.#hub;
    if (events === undefined || (isVocabulary(event.type) && !Object.hasOwn(events, event.type)))
      return event;
    return validated(events, event, { verb: "emit", where: () => `into ${this.label}` });
  }

  /** Cancels on somebody's behalf. Only the first reason counts. */
  cancelBy(by: CancelledBy, reason?: string, cause?: unknown): void {
    if (this.status !== "working" || this.#abort.signal.aborted) return;
    this.#abort.abort(new CancelError(by, reason, cause === undefined ? undefined : { cause }));
  }

  async cancel(reason?: string): Promise<void> {
    this.cancelBy("caller", reason);
    await this.ended();
  }

  /** Settles once it has ended, however. */
  async ended(): Promise<void> {
    await this.result().catch(() => {});
  }

  /** Ends it as cancelled although its task still works. */
  async abandon(): Promise<void> {
    if (this.status !== "working") return;
    this.#abandoned = true;
    await this.#endCancelled();
  }

  /** How it ended, where a task that ignored its signal to the last is told apart. */
  get ending(): RunStatus | "abandoned" {
    return this.#abandoned ? "abandoned" : this.status;
  }

  result({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const outcome = this.#outcome;
    if (outcome !== undefined)
      return "value" in outcome ? Promise.resolve(outcome.value) : Promise.reject(outcome.error);
    return this.#hub.scope.wait<unknown>(`result of ${this.label}`, signal, (settle) => {
      this.#waiting.add(settle);
      return () => this.#waiting.delete(settle);
    });
  }

  #endCancelled(): Promise<void> {
    return this.#end("cancelled", { error: this.#abort.signal.reason });
  }

  /** Writes the one ending there is. The first to come is it. */
  async #end(status: Exclude<RunStatus, "working">, outcome: Outcome): Promise<void> {
    if (this.status !== "working") return;
    let data: string;
    try {
      data = this.#ending(status, outcome);
    } catch (error) {
      // The result is nothing that can be written.
      return this.#end("failed", { error });
    }
    this.status = status;
    this.endedAt = this.#hub.clock.now();
    this.#unlink();
    this.#onEnd(this);
    try {
      // A log counts the age of each entry from its own time: all of them stay for as long as the ending.
      const { runTtl } = this.#hub.settings.limits;
      await Promise.all([this.#confirm(data, runTtl + this.endedAt - this.#startedAt), this.#tell(data)]);
    } finally {
      this.#settle(
        status === "failed" && "error" in outcome ? { error: this.#failure(outcome.error) } : outcome,
      );
    }
  }

  #failure(cause: unknown): RunError {
    return new RunError(this.id, { cause }, describe(cause).message);
  }

  #settle(outcome: Outcome): void {
    this.#outcome = outcome;
    for (const settle of [...this.#waiting]) {
      if ("value" in outcome) settle.resolve(outcome.value);
      else settle.reject(outcome.error);
    }
  }

  /** The text of an ending. Only its result is measured: what tocsin itself says always finds room. */
  #ending(status: Exclude<RunStatus, "working">, outcome: Outcome): string {
    const run = this.id;
    if ("value" in outcome) {
      const { value } = outcome;
      const result =
        value === undefined
          ? ""
          : `,"result":${this.#hub.serialise(`the result of ${this.label}`, value, { allowsUndefined: true })}`;
      return `{"type":"run.completed","run":${JSON.stringify(run)}${result}}`;
    }
    const { error } = outcome;
    if (status === "failed")
      return encode({ type: "run.failed", run, error: shownOf(this.#hub, error, this) });
    if (!(error instanceof CancelError)) return encode({ type: "run.cancelled", run, by: "signal" });
    return encode({ type: "run.cancelled", run, by: error.by, reason: shortened(error.reason, longestText) });
  }

  async #write(event: RunLifecycleEvent): Promise<void> {
    const data = encode(event);
    await Promise.all([this.#append(data, Number.POSITIVE_INFINITY), this.#tell(data)]);
  }

  async #append(data: string, ttl: number): Promise<void> {
    await this.#hub.append(channelOfRun(this.id), data, { retention: this.#retention(ttl) });
    this.#wrote();
  }

  #wrote(): void {
    this.activity.events++;
    this.activity.time = this.#hub.clock.time();
  }

  /** While it works its channel is kept whole, within its bytes. */
  #retention(ttl: number): Partial<Retention> {
    return { size: Number.POSITIVE_INFINITY, bytes: this.#hub.settings.limits.runBytes, ttl };
  }

  /** Writes the ending, which somebody has to receive while its channel is kept. */
  async #confirm(data: string, ttl: number): Promise<void> {
    const hub = this.#hub;
    const isAwaited = hub.hearsUndelivered;
    const content = { data, tags: undefined, bytes: byteLength(data), isAwaited, isEnding: true };
    const time = hub.clock.time();
    const { runTtl } = hub.settings.limits;
    const channel = channelOfRun(this.id);
    const confirmation = { channel, content, time, ttl: runTtl, signal: undefined };
    await appendConfirmed(hub, confirmation, { time, retention: this.#retention(ttl) });
    this.#wrote();
  }

  async #tell(data: string): Promise<void> {
    if (this.#announce !== undefined) await this.#hub.append(this.#announce, data, {});
  }
}

function encode(event: RunLifecycleEvent): string {
  return JSON.stringify(event);
}

function isGenerator(made: unknown): made is AsyncGenerator<RunEvent, unknown, void> {
  return typeof (made as AsyncGenerator | null)?.next === "function";
}
