import type { Context } from "../core/context.ts";
import { backOff, jittered, longer } from "../log/back-off.ts";
import { lastingError } from "../log/log-failure.ts";

/**
 * Calls `act` until it succeeds, or until it fails in a way that no retry can fix: then it rejects with that error. It
 * also rejects when the scope ends.
 */
export async function persist(
  { clock, scope }: Pick<Context, "clock" | "scope">,
  owner: string,
  act: () => Promise<void>,
): Promise<void> {
  for (let wait = backOff.first; ; wait = longer(wait)) {
    try {
      return await act();
    } catch (error) {
      const lasting = lastingError(error, `read ${owner}`);
      if (lasting !== undefined) throw lasting;
      if (scope.isOver) throw error;
    }
    await scope.sleep(owner, jittered(wait, clock));
  }
}
