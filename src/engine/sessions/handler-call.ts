import { handled, isThenable, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable, type Scope } from "../../base/scope.ts";
import { BusyError, ClosedError } from "../../model/errors.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import { replies } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { Refusal } from "../core/refusal.ts";

/** One call of a handler of the user's, which may wait for as long as `limits.answer` and the session last. */
export class HandlerCall {
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #fail: ((reason: unknown) => void) | undefined;
  /** Another call for the same session, made before this one and not over either. */
  earlier: HandlerCall | undefined;

  /** Aborts when nobody waits for the answer any more. Not every call looks at it. */
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
  wait<T>(scope: Scope, owner: string, answer: Promise<T>): Promise<T> {
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

/** A session as its handlers see it. */
export interface Asker {
  readonly id: string;
  /** The handler that was asked last for it, while it is. */
  asking: HandlerCall | undefined;
}

/**
 * Calls a handler of the user's for a session. What it answers at once is answered at once.
 *
 * What goes wrong is reported, and answered as an error of ours: none of it is the client's to know.
 */
export function ask<T>(
  context: Context,
  session: Asker,
  stage: ErrorContext["stage"],
  call: (asking: HandlerCall) => T | PromiseLike<T>,
): MaybePromise<T> {
  const asking = new HandlerCall();
  asking.earlier = session.asking;
  session.asking = asking;
  return handled<T, T>(
    () => {
      const answer = call(asking);
      return isThenable(answer) ? wait(context, session, stage, asking, Promise.resolve(answer)) : answer;
    },
    (value) => {
      over(session, asking);
      return value;
    },
    (error) => {
      over(session, asking);
      throw refusalOf(context, session, stage, error);
    },
  );
}

async function wait<T>(
  { scope, settings, counters }: Context,
  { id }: Asker,
  stage: ErrorContext["stage"],
  asking: HandlerCall,
  answer: Promise<T>,
): Promise<T> {
  const owner = `session ${id} ${stage}`;
  const ms = settings.limits.answer;
  const disarm = scope.timer(owner, ms, () => {
    counters.hit("answer");
    asking.abort(new Error(`Cannot wait any longer for ${owner}: it took over ${ms} ms`));
  });
  try {
    return await asking.wait(scope, owner, answer);
  } finally {
    disarm();
  }
}

/** What the client is answered for what went wrong. */
function refusalOf(context: Context, { id }: Asker, stage: ErrorContext["stage"], error: unknown): unknown {
  if (error instanceof ClosedError || error instanceof Refusal) return error;
  // Too much waits to be published already: later there may be room.
  if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");
  context.report(error, stage, `session ${id}`);
  return new Refusal(replies.internal);
}

function over(session: Asker, asking: HandlerCall): void {
  if (session.asking === asking) session.asking = asking.earlier;
  for (let later = session.asking; later !== undefined; later = later.earlier)
    if (later.earlier === asking) later.earlier = asking.earlier;
}
