import { byteLength } from "../../base/bytes.ts";
import { ClosedError, closed, describe, LogError } from "../../model/errors.ts";
import type { AppendOptions, Position, Retention } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import type { Context } from "../core/context.ts";
import { gapAfter } from "../core/publications.ts";
import { appendConfirmed, type ConfirmContext } from "../delivery/confirm.ts";
import { type AppendSteps, type Current, urgent } from "../log/append-queue.ts";
import { tryAgain } from "../log/try-again.ts";
import type { Nodes } from "../nodes/nodes.ts";

/** What runs need besides the context. */
export interface RunContext extends Context, ConfirmContext {
  /** Whether `onUndelivered` is set, so that publications that are given up must be reported in time. */
  readonly reportsUndelivered: boolean;
  readonly nodes: Nodes;
  /** Settles once this process is a member of its log. Undefined after that, and for a log without members. */
  readonly joining: Promise<void> | undefined;
}

/** What only the first append of a run has. */
export type StartOptions = Pick<AppendOptions, "place" | "state" | "hold">;

/** What makes an announcement one that is made once. */
interface Announced {
  readonly isOfNodes: boolean;
  /** In milliseconds since the Unix epoch. */
  readonly started: number;
}

/** The channel that a run writes, and the channel on which it is announced. */
export class RunChannel {
  readonly #context: RunContext;
  readonly #name: string;
  readonly announced: string | undefined;
  /** The number of events that were written, and the time of the last one. */
  readonly activity: { events: number; time: number };
  /** The position of the start, once it is in the log. */
  start: Position | undefined;
  /** The position of the ending, once it is in the log. */
  ending: Position | undefined;
  /** Ends all appends that are under way. Only a node may have to stop before its ending is written. */
  #over: AbortController | undefined;

  /** `announced` is the channel on which the start and the ending are announced. `over` is what `stop` aborts. */
  constructor(context: RunContext, id: string, announced: string | undefined, over?: AbortController) {
    this.#context = context;
    this.#over = over;
    this.#name = channelOfRun(id);
    this.announced = announced;
    this.activity = { events: 0, time: context.clock.time() };
  }

  /** Writes the start of the run. */
  async begin(data: string, options: StartOptions): Promise<void> {
    this.start = await this.append(data, urgent, options);
  }

  /**
   * Writes the start of the run again, ahead of its events: they follow what the store has lost, and wait for this. A
   * start in the first place is made once, however often it is tried.
   */
  async beginAgain(data: string, options: StartOptions): Promise<void> {
    const { clock, appends, records } = this.#context;
    const { signal } = this;
    const all = { ...options, time: clock.time(), retention: this.#retention(Infinity), signal };
    const begin = () => {
      // It has left the log meanwhile: nobody would hold the record.
      if (!records.isMember) throw closed(`begin ${this.#name} again`);
      return appends.ahead(this.#name, data, all);
    };
    this.start = await tryAgain(this.#context, `begin ${this.#name} again`, begin, signal);
  }

  /** A node writes only behind the start of its run: another run may have its id in a later epoch. */
  readonly current = (): Current => (this.start === undefined ? {} : { follows: this.start });

  async append(data: string, steps?: AppendSteps, options?: StartOptions): Promise<Position> {
    const retention = this.#retention(Infinity);
    const { signal, current } = this;
    const all = this.#context.nodes.id === undefined ? steps : { ...steps, current };
    const position = await this.#context.append(this.#name, data, { ...options, retention, signal }, all);
    this.#wrote();
    return position;
  }

  /** Aborts when nothing more may be written. Undefined where nobody else can end the run. */
  get signal(): AbortSignal | undefined {
    if (this.#context.nodes.id !== undefined) this.#over ??= new AbortController();
    return this.#over?.signal;
  }

  /** Whether nothing more may be written here. */
  get isStopped(): boolean {
    return this.#over?.signal.aborted === true;
  }

  /** Withdraws what is not in the log yet, and refuses everything from now on: another process ends the run. */
  stop(reason: unknown): void {
    this.#over ??= new AbortController();
    this.#over.abort(reason);
  }

  #wrote(): void {
    this.activity.events++;
    this.activity.time = this.#context.clock.time();
  }

  /** While the run works, its channel is kept completely, up to `limits.runBytes`. It needs no slack above that. */
  #retention(ttl: number): Partial<Retention> {
    return { size: Infinity, bytes: this.#context.settings.limits.runBytes, ttl, slack: 0 };
  }

  /**
   * Writes the ending, which seals the channel, as a confirmed publication that waits for its delivery for
   * `limits.runTtl`: for as long the whole channel is kept. `state` is what the channel says of the run from now on.
   */
  async confirm(data: string, state: string): Promise<void> {
    const context = this.#context;
    const isAwaited = context.reportsUndelivered;
    const time = context.clock.time();
    const { runTtl } = context.settings.limits;
    const record = context.records.create({ is: "confirmed", expires: time + runTtl, isEnding: true });
    const content = { data, tags: undefined, bytes: byteLength(data), isAwaited, isEnding: true, record };
    const logged = (position: Position): void => {
      this.ending = position;
    };
    const { signal } = this;
    const confirmation = { channel: this.#name, content, time, ttl: runTtl, signal, logged };
    const retention = this.#retention(runTtl);
    const options = { time, retention, place: "last", state, signal } as const;
    await appendConfirmed(context, confirmation, options, this.current);
    this.#wrote();
  }

  /** Announces the start or the ending. */
  async announce(data: string, options: Pick<AppendOptions, "signal" | "key"> = {}): Promise<void> {
    if (this.announced !== undefined) await this.#context.append(this.announced, data, options, urgent);
  }

  /**
   * Announces the ending. A failure is reported here, because announcements are not reported as undelivered. `what`
   * describes the ending in the error. Over nodes it is announced once, although the node that wrote it may be gone before
   * it has announced it, and an heir cannot know that. `started` is when the run began: of one id no other run began then.
   *
   * Resolves with false if this node closes before, or others have the run by then: its record has to stay, so that an heir
   * announces it.
   */
  async announceEnding(data: string, what: string, { isOfNodes, started }: Announced): Promise<boolean> {
    const text = `\0ending of ${this.#name}, begun at ${started}`;
    const key = isOfNodes ? { text, ttl: this.#context.settings.limits.runTtl } : undefined;
    try {
      await this.announce(data, { key, signal: this.signal });
    } catch (cause) {
      if (isOfNodes && (cause instanceof ClosedError || this.isStopped)) return false;
      const why = describe(cause).message;
      const error = new LogError(
        `Cannot announce on ${JSON.stringify(this.announced)} that ${what}: ${why}`,
        {
          cause,
        },
      );
      this.#context.report(error, "log", `publish ${this.announced}`);
    }
    return true;
  }

  /** Ends the wait of a publication for subscribers. Called when the run has to stop. */
  hurry(): void {
    this.#context.appends.hurry(this.#name);
  }

  /** Called when the start is found in an epoch. */
  isThere(epoch: string): void {
    this.start = { epoch, offset: this.start?.offset ?? 1 };
  }

  /** Holds the record of the start again. */
  hold(record: string | undefined): void {
    const { start } = this;
    if (record !== undefined && start !== undefined)
      this.#context.records.hold({ record, channel: this.#name, position: start });
  }

  /** Reads the text of the ending from the log. Rejects with a LogError if it is not there. */
  async readEnding(label: string, signal: AbortSignal | undefined): Promise<string> {
    if (this.ending === undefined) {
      const message = `Cannot read the result of ${label}: its ending is not in the log`;
      throw new LogError(message, { lasting: true });
    }
    const { offset, epoch } = this.ending;
    const after = { offset: offset - 1, epoch };
    const slice = await this.#context.log.read(this.#name, { after, limit: 1, signal });
    const [entry] = slice.entries;
    if (!slice.gapless || entry === undefined) throw gapAfter(this.#name, after, slice);
    return entry.data;
  }
}
