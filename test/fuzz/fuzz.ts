import fc from "fast-check";
import { play, schedule } from "./play.ts";

/** What is played. */
export interface FuzzOptions {
  seed: number;
  schedules: number;
  /** The path of one failed schedule, as the failure printed it. Default: all schedules are played. */
  path?: string | undefined;
}

/**
 * Plays the schedules of a seed. Returns the number of steps played. If a schedule breaks a rule, rejects with the
 * smallest one found that does.
 */
export async function fuzz({ seed, schedules, path }: FuzzOptions): Promise<number> {
  let inputs = 0;
  const property = fc.asyncProperty(schedule, async (steps) => {
    inputs += steps.length;
    await play(steps);
  });
  await fc.assert(property, { seed, numRuns: schedules, ...(path !== undefined && { path }) });
  return inputs;
}
