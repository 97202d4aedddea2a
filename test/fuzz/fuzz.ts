import fc from "fast-check";
import { play, schedule } from "./play.ts";

/** How much is played. */
export interface FuzzOptions {
  seed: number;
  schedules: number;
  /** The schedule that failed, as the failure printed it. Default: all of them. */
  path?: string | undefined;
}

/** Plays schedules of a seed, and answers how many things happened in them. Rejects with the least that breaks a rule. */
export async function fuzz({ seed, schedules, path }: FuzzOptions): Promise<number> {
  let inputs = 0;
  const property = fc.asyncProperty(schedule, async (steps) => {
    inputs += steps.length;
    await play(steps);
  });
  await fc.assert(property, { seed, numRuns: schedules, ...(path !== undefined && { path }) });
  return inputs;
}
