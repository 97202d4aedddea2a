import { byteLength } from "../../base/bytes.ts";
import { describe, LogError } from "../../model/errors.ts";
import type { AppendOptions, Position, Retention } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import type { Context } from "../core/context.ts";
import { gapAfter } from "../core/publications.ts";
import { appendConfirmed, type ConfirmContext } from "../delivery/confirm.ts";
import { type AppendSteps, urgent } from "../log/append-queue.ts";
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

/** The channel that a run writes, and the channel on which it is announced. */
export class RunChannel {
  readonly #context: RunContext;
  readonly #name: string;
  readonly announced: string | undefined;
  /** The number of events that were written, and the time of the last one. */
  readonly activity: { events: number; time: number };
  /** The position of the ending, once it is in the log. */
  ending: Position | undefined;

  /** `announced` is the channel on which the start and the ending are announced. */
  constructor(context: RunContext, id: string, announced: string | undefined) {
    this.#context = context;
    this.#name = channelOfRun(id);
    this.announced = announced;
    this.activity = { events: 0, time: context.clock.time() };
  }

  async append(data: string, steps?: AppendSteps, options?: StartOptions): Promise<void> {
    const retention = this.#retention(Infinity);
    await this.#context.append(this.#name, data, { ...options, retention }, steps);
    this.#wrote();
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
    const confirmation = { channel: this.#name, content, time, ttl: runTtl, signal: undefined, logged };
    const retention = this.#retention(runTtl);
    await appendConfirmed(context, confirmation, { time, retention, place: "last", state });
    this.#wrote();
  }

  /** Announces the start or the ending. */
  async announce(data: string): Promise<void> {
    if (this.announced !== undefined) await this.#context.append(this.announced, data, {}, urgent);
  }

  /**
   * Announces the ending. A failure is reported here, because announcements are not reported as undelivered. `what`
   * describes the ending in the error.
   */
  async announceEnding(data: string, what: string): Promise<void> {
    try {
      await this.announce(data);
    } catch (cause) {
      const why = describe(cause).message;
      const error = new LogError(
        `Cannot announce on ${JSON.stringify(this.announced)} that ${what}: ${why}`,
        {
          cause,
        },
      );
      this.#context.report(error, "log", `publish ${this.announced}`);
    }
  }

  /** Ends the wait of a publication for subscribers. Called when the run has to stop. */
  hurry(): void {
    this.#context.appends.hurry(this.#name);
  }

  /** Reads the text of the ending from the log. */
  async readEnding({ offset, epoch }: Position, signal: AbortSignal | undefined): Promise<string> {
    const after = { offset: offset - 1, epoch };
    const slice = await this.#context.log.read(this.#name, { after, limit: 1, signal });
    const [entry] = slice.entries;
    if (!slice.gapless || entry === undefined) throw gapAfter(this.#name, after, slice);
    return entry.data;
  }
}
