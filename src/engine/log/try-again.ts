import type { Clock } from "../../base/clock.ts";
import type { MaybePromise } from "../../base/maybe-promise.ts";
import type { Scope } from "../../base/scope.ts";
import { ClosedError, ExistsError, LogError, SealedError } from "../../model/errors.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import { backOff, jittered, longer } from "./back-off.ts";
import { lastingError } from "./log-failure.ts";

/** What trying again needs. */
export interface TryAgainContext {
  readonly clock: Clock;
  readonly scope: Scope;
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void;
}

/**
 * Asks the log until it answers: a failure is reported once, and what failed is tried again later. Rejects with an error
 * that no retry can fix, with a refusal of the log, with the signal's reason, or when the scope ends.
 */
export async function tryAgain<T>(
  context: TryAgainContext,
  owner: string,
  ask: () => MaybePromise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { clock, scope } = context;
  for (let wait = backOff.first; ; wait = longer(wait)) {
    try {
      return await ask();
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (scope.isOver || isFinal(error)) throw error;
      if (wait === backOff.first) context.report(error, "log", owner);
    }
    await scope.sleep(owner, jittered(wait, clock), signal);
  }
}

function isFinal(error: unknown): boolean {
  if (error instanceof ExistsError || error instanceof SealedError || error instanceof ClosedError)
    return true;
  return error instanceof LogError ? error.lasting : lastingError(error, "ask the log") !== undefined;
}

/** Maximum number of questions that are asked at once. */
const atOnce = 64;

/** Calls a function for each item, for a limited number of items at a time. */
export async function inBatches<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += atOnce)
    await Promise.all(items.slice(at, at + atOnce).map((item) => act(item)));
}
