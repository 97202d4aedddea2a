import type { TaskContext } from "../../model/run.ts";

/** What a task is given, which knows whether the task has asked for its signal. */
export class LiveContext implements TaskContext {
  readonly id: string;
  readonly emit: TaskContext["emit"];
  readonly #signal: AbortSignal;
  #isHeard = false;

  constructor(id: string, signal: AbortSignal, emit: TaskContext["emit"]) {
    this.id = id;
    this.#signal = signal;
    this.emit = emit;
  }

  get signal(): AbortSignal {
    this.#isHeard = true;
    return this.#signal;
  }

  /** Throws the reason of the signal, once, where nobody has asked for the signal: nothing else would stop the task. */
  throwIfDeaf(): void {
    if (this.#isHeard || !this.#signal.aborted) return;
    this.#isHeard = true;
    throw this.#signal.reason;
  }
}
