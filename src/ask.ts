import { ClosedError } from "./errors.ts";
import type { Hub } from "./hub.ts";
import { replies } from "./protocol.ts";
import { Refusal } from "./request.ts";
import { ignorable } from "./scope.ts";
import type { ErrorContext } from "./settings.ts";
import type { Soon } from "./soon.ts";

/** One call of a handler of the user's, which may wait for as long as `limits.answer` and the session last. */
export class Asking {
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #fail: ((reason: unknown) => void) | undefined;

  /** Aborts when nobody waits for the answer any more. Most never look at it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  get isAborted(): boolean {
    return this.#aborted !== undefined;
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.#fail?.(reason);
  }

  /** Waits for the answer until `abort` is called. */
  wait<T>({ scope }: Hub, owner: string, answer: Promise<T>): Promise<T> {
    // Where the wait is over before it begins, nobody else would hear of a rejection.
    ignorable(answer);
    return scope.wait<T>(owner, undefined, ({ resolve, reject }) => {
      if (this.#aborted !== undefined) reject(this.#aborted.reason);
      answer.then(resolve, reject);
      this.#fail = reject;
      return () => {
        this.#fail = undefined;
      };
    });
  }
}

/** Calls handlers of the user's for one session, one at a time. */
export class Asker {
  readonly #hub: Hub;
  readonly #session: string;
  #asking: Asking | undefined;

  constructor(hub: Hub, session: string) {
    this.#hub = hub;
    this.#session = session;
  }

  /**
   * Calls a handler. What it answers at once is answered at once.
   *
   * What goes wrong is reported, and answered as an error of ours: none of it is the client's to know.
   */
  ask<T>(stage: ErrorContext["stage"], call: (asking: Asking) => T | PromiseLike<T>): Soon<T> {
    const asking = new Asking();
    this.#asking = asking;
    try {
      const answer = call(asking);
      if (isThenable(answer)) return this.#wait(stage, asking, Promise.resolve(answer));
      this.#over(asking);
      return answer;
    } catch (error) {
      throw this.#failed(stage, asking, error);
    }
  }

  /** Tells the handler that nobody waits for it any more. */
  abort(): void {
    this.#asking?.abort(new ClosedError(`Cannot go on: ${this.#owner} is over`));
  }

  get #owner(): string {
    return `session ${this.#session}`;
  }

  async #wait<T>(stage: ErrorContext["stage"], asking: Asking, answer: Promise<T>): Promise<T> {
    const { scope, settings, tally } = this.#hub;
    const owner = `${this.#owner} ${stage}`;
    const ms = settings.limits.answer;
    const disarm = scope.timer(owner, ms, () => {
      tally.hit("answer");
      asking.abort(new Error(`Cannot wait any longer for ${owner}: it took over ${ms} ms`));
    });
    try {
      return await asking.wait(this.#hub, owner, answer);
    } catch (error) {
      throw this.#failed(stage, asking, error);
    } finally {
      disarm();
      this.#over(asking);
    }
  }

  /** What the client is answered for what went wrong. */
  #failed(stage: ErrorContext["stage"], asking: Asking, error: unknown): unknown {
    this.#over(asking);
    if (error instanceof ClosedError || error instanceof Refusal) return error;
    this.#hub.report(error, stage, this.#owner);
    return new Refusal(replies.internal);
  }

  #over(asking: Asking): void {
    if (this.#asking === asking) this.#asking = undefined;
  }
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as PromiseLike<T> | null | undefined)?.then === "function";
}
