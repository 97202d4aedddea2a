import { handled, isThenable, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable, type Scope } from "../../base/scope.ts";
import { BusyError, ClosedError } from "../../model/errors.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import { replies } from "../../wire/protocol.ts";
import type { Context } from "../core/context.ts";
import { Refusal } from "../core/refusal.ts";

/** One call of a user's handler. It may take until `limits.answer` is over or the session ends. */
export class HandlerCall {
  #controller: AbortController | undefined;
  #aborted: { reason: unknown } | undefined;
  #fail: ((reason: unknown) => void) | undefined;
  /** An earlier call for the same session that is still in progress. */
  earlier: HandlerCall | undefined;

  /** Aborts when the result is no longer awaited. Created when first read, because not every handler reads it. */
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

  /** Waits for the answer, until `abort` is called. */
  wait<T>(scope: Scope, owner: string, answer: Promise<T>): Promise<T> {
    // If the scope has ended, the wait rejects before it begins. Nothing else then handles a rejection of the answer.
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

/** A session, as handler calls use it. */
export interface Asker {
  readonly id: string;
  /** The latest handler call that is still in progress. */
  asking: HandlerCall | undefined;
}

/**
 * Calls a user's handler for a session. A synchronous answer is returned synchronously.
 *
 * What the handler throws is reported, and the client gets only an error of tocsin: the details are not for clients.
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
      finish(session, asking);
      return value;
    },
    (error) => {
      finish(session, asking);
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

/** Returns the error that is thrown instead of a handler's error, for the reply to the client. */
function refusalOf(context: Context, { id }: Asker, stage: ErrorContext["stage"], error: unknown): unknown {
  if (error instanceof ClosedError || error instanceof Refusal) return error;
  // Too much already waits to be published. The error is temporary, so the client may retry.
  if (error instanceof BusyError) return new Refusal(replies.tooManyRequests, "waiting");
  // The log itself has not failed: its answer was late, or other nodes could not be asked.
  if (stage === "log" && !context.health.knows(error)) context.health.failed("answers", error);
  context.report(error, stage, `session ${id}`);
  return new Refusal(replies.internal);
}

function finish(session: Asker, asking: HandlerCall): void {
  if (session.asking === asking) session.asking = asking.earlier;
  for (let later = session.asking; later !== undefined; later = later.earlier)
    if (later.earlier === asking) later.earlier = asking.earlier;
}
