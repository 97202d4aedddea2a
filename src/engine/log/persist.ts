import type { Clock } from "../../base/clock.ts";
import type { Scope } from "../../base/scope.ts";
import { backOff, jittered, longer } from "./back-off.ts";
import { lastingError } from "./log-failure.ts";

/**
 * Does something with the log until it succeeds, or until it fails in a way that no retry can fix: then it rejects with
 * that error. It also rejects when the scope ends. `doing` says what is done: `read what was left of news`.
 */
export async function persist(
  { clock, scope }: { readonly clock: Clock; readonly scope: Scope },
  doing: string,
  act: () => Promise<void>,
): Promise<void> {
  for (let wait = backOff.first; ; wait = longer(wait)) {
    try {
      return await act();
    } catch (error) {
      const lasting = lastingError(error, doing);
      if (lasting !== undefined) throw lasting;
      if (scope.isOver) throw error;
    }
    await scope.sleep(doing, jittered(wait, clock));
  }
}
