import type { Clock } from "../../base/clock.ts";

/** The first and the longest delay before what failed in the log is tried again, in milliseconds. */
export const backOff = { first: 50, longest: 5_000 };

/** Returns a random 50 to 100 % of a delay, so that those who failed together do not try again together. */
export function jittered(delay: number, clock: Clock): number {
  return delay * (0.5 + clock.random() / 2);
}

/** Returns the delay after another failure. */
export function longer(delay: number): number {
  return Math.min(delay * 2, backOff.longest);
}
