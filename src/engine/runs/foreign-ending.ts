import { LogError, RunError } from "../../model/errors.ts";
import type { Position } from "../../model/log.ts";
import type { RunContext } from "./run-channel.ts";
import { type Ended, type Outcome, outcomeIn } from "./run-ending.ts";
import { awaitEnding } from "./stored-runs.ts";

/** How a run has ended that this process could not end itself. */
type ForeignEnding =
  | { readonly status: Ended; readonly outcome: Outcome; readonly position: Position; readonly data: string }
  | {
      readonly status: "failed";
      readonly outcome: { error: RunError };
      readonly position: undefined;
      readonly data: undefined;
    };

/**
 * Waits for the ending that another process writes, or has written, of a run that this one began at `started`. If the log
 * cannot tell, the run is lost.
 */
export async function foreignEnding(
  context: RunContext,
  id: string,
  started: number,
): Promise<ForeignEnding> {
  try {
    const { data, position, stored } = await awaitEnding(context, id, undefined);
    if (stored?.started !== started)
      throw new LogError(`Cannot read the ending of run:${id}: its id is in use`);
    return { ...outcomeIn(id, data), position, data };
  } catch (cause) {
    const error = new RunError(id, { cause, reason: "lost" });
    return { status: "failed", outcome: { error }, position: undefined, data: undefined };
  }
}
