import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import type { ErrorContext } from "../../model/hooks.ts";
import { backOff, jittered, longer } from "./back-off.ts";
import { lastingError } from "./log-failure.ts";

/** What trying again needs. */
export interface PersistContext {
  readonly clock: Clock;
  readonly scope: Scope;
  report(error: unknown, stage: ErrorContext["stage"], owner: string): void;
}

/**
 * Does something with the log until it succeeds, or until it fails in a way that no retry can fix: then it rejects with
 * that error. It also rejects when the scope ends. The first failure is reported. `doing` says what is done:
 * `read what was left of news`.
 */
export async function persist(
  context: PersistContext,
  doing: string,
  act: () => Promise<void>,
): Promise<void> {
  const { clock, scope } = context;
  for (let wait = backOff.first; ; wait = longer(wait)) {
    try {
      return await act();
    } catch (error) {
      const lasting = lastingError(error, doing);
      if (lasting !== undefined) throw lasting;
      if (scope.isOver) throw error;
      if (wait === backOff.first) context.report(error, "log", doing);
    }
    await scope.sleep(doing, jittered(wait, clock));
  }
}
