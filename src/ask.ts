import { ClosedError } from "./errors.ts";
import type { Hub } from "./hub.ts";
import { replies } from "./protocol.ts";
import { Refusal } from "./request.ts";
import type { ErrorContext } from "./settings.ts";

/** Calls handlers of the user's for one session, one at a time. */
export class Asker {
  readonly #hub: Hub;
  readonly #owner: string;
  #asking: AbortController | undefined;

  constructor(hub: Hub, owner: string) {
    this.#hub = hub;
    this.#owner = owner;
  }

  /**
   * Calls a handler, which may wait for as long as `limits.answer` and the session last.
   *
   * What goes wrong is reported, and answered as an error of ours: none of it is the client's to know.
   */
  async ask<T>(stage: ErrorContext["stage"], call: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
    const asking = new AbortController();
    this.#asking = asking;
    try {
      return await this.#within(`${this.#owner} ${stage}`, asking, call);
    } catch (error) {
      if (error instanceof ClosedError || error instanceof Refusal) throw error;
      this.#hub.report(error, stage, this.#owner);
      throw new Refusal(replies.internal);
    } finally {
      if (this.#asking === asking) this.#asking = undefined;
    }
  }

  /** Tells the handler that nobody waits for it any more. */
  abort(reason: unknown): void {
    this.#asking?.abort(reason);
  }

  /** Waits for the handler's answer until `asking` aborts, which it does after `limits.answer`. */
  async #within<T>(
    owner: string,
    asking: AbortController,
    call: (signal: AbortSignal) => T | Promise<T>,
  ): Promise<T> {
    const { scope, settings, tally } = this.#hub;
    const ms = settings.limits.answer;
    const disarm = scope.timer(owner, ms, () => {
      tally.hit("answer");
      asking.abort(new Error(`Cannot wait any longer for ${owner}: it took over ${ms} ms`));
    });
    try {
      const answer = call(asking.signal);
      return await (isThenable(answer)
        ? scope.follow(owner, asking.signal, Promise.resolve(answer))
        : answer);
    } finally {
      disarm();
    }
  }
}

function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | null | undefined)?.then === "function";
}
