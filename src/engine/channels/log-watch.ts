import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { WakeHint } from "../../model/log.ts";
import type { Context } from "../core/context.ts";

/** The watch of one channel's log. It is opened when first needed. */
export class LogWatch {
  readonly #context: Context;
  readonly #channel: string;
  readonly #wake: (hint?: WakeHint) => void;
  #opening: Promise<void> | undefined;
  #watching: AsyncDisposable | undefined;
  #ended = false;

  constructor(context: Context, channel: string, wake: (hint?: WakeHint) => void) {
    this.#context = context;
    this.#channel = channel;
    this.#wake = wake;
  }

  /** Settles once the log is watched: synchronously if the log can. If it failed, the next call tries again. */
  opened(): MaybePromise<void> {
    if (this.#watching !== undefined || this.#opening !== undefined) return this.#opening;
    const watching = this.#context.log.watch(this.#channel, this.#wake);
    if (watching instanceof Promise) this.#opening = this.#open(watching);
    else this.#watching = watching;
    return this.#opening;
  }

  async #open(opening: Promise<AsyncDisposable>): Promise<void> {
    try {
      this.#watching = await this.#context.scope.waitFor(`watch ${this.#channel}`, undefined, opening);
    } finally {
      this.#opening = undefined;
    }
    if (this.#ended) this.#dispose();
  }

  end(): void {
    this.#ended = true;
    this.#dispose();
  }

  #dispose(): void {
    const watching = this.#watching;
    this.#watching = undefined;
    if (watching === undefined) return;
    const dispose = async (): Promise<void> => watching[Symbol.asyncDispose]();
    this.#context.scope.own("task", `unwatch ${this.#channel}`, dispose());
  }
}
