import type { TaskContext } from "../../model/run.ts";

/** The argument of a task. It records whether the task has read its signal. */
export class LiveContext implements TaskContext {
  readonly id: string;
  readonly emit: TaskContext["emit"];
  readonly #signal: AbortSignal;
  #isSignalRead = false;

  constructor(id: string, signal: AbortSignal, emit: TaskContext["emit"]) {
    this.id = id;
    this.#signal = signal;
    this.emit = emit;
  }

  get signal(): AbortSignal {
    this.#isSignalRead = true;
    return this.#signal;
  }

  /** Throws the signal's reason, once, if the task has never read its signal. Nothing else would stop such a task. */
  throwIfDeaf(): void {
    if (this.#isSignalRead || !this.#signal.aborted) return;
    this.#isSignalRead = true;
    throw this.#signal.reason;
  }
}
