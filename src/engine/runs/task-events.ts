import { ignorable } from "../../base/scope.ts";
import { ClosedError } from "../../model/errors.ts";
import type { Task } from "../../model/run.ts";
import type { RunEvent, RunStatus } from "../../model/run-event.ts";
import type { Context } from "../core/context.ts";
import { exempt } from "../log/append-queue.ts";
import { acceptedEvent, shortProgress } from "./accepted-event.ts";
import type { RunChannel } from "./run-channel.ts";
import { LiveContext } from "./task-context.ts";

/** What is written about a run. */
interface Written {
  readonly id: string;
  readonly label: string;
  readonly status: RunStatus;
}

/** Calls the task of a run, and writes the events that it yields and emits. */
export class TaskEvents {
  readonly #context: Context;
  readonly #run: Written;
  readonly #channel: RunChannel;
  /** The last progress event, as JSON text. */
  progress: string | undefined;

  constructor(context: Context, run: Written, channel: RunChannel) {
    this.#context = context;
    this.#run = run;
    this.#channel = channel;
  }

  /** Returns what the task returns. */
  async call(task: Task<unknown>, signal: AbortSignal): Promise<unknown> {
    const context = new LiveContext(this.#run.id, signal, (event) => this.#emit(event));
    const made = task(context);
    return isGenerator(made) ? this.#drive(made, context) : made;
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
    return ignorable(this.#append(data));
  }

  async #append(data: string): Promise<void> {
    await this.#channel.append(data);
  }

  /** Returns the text of an event. Throws if the event must not be written. */
  #accepted(event: RunEvent): string {
    const data = acceptedEvent(this.#context, this.#run, event);
    if (event.type === "progress") this.progress = shortProgress(data);
    return data;
  }
}

function isGenerator(made: unknown): made is AsyncGenerator<RunEvent, unknown, void> {
  return typeof (made as AsyncGenerator | null)?.next === "function";
}
