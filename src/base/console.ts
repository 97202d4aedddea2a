import type { ErrorContext } from "../model/hooks.ts";
import type { Refused } from "../model/refused.ts";
import { loggable } from "./printable.ts";

/** Writes an error where it came up; what an error hook would be told. */
export function errorToConsole(error: unknown, { stage, owner }: ErrorContext): void {
  console.error(`tocsin: ${stage} of ${owner}:`, loggable(error));
}

/** Writes an error that no hook is left to hear of: one that a hook threw. */
export function complain(error: unknown): void {
  console.error("tocsin:", loggable(error));
}

/** Milliseconds between two lines. */
const interval = 1_000;

/** Writes refusals to the console: at most one a second, since anybody may cause them, with a count of the others. */
export function refusalsToConsole(now: () => number): (refused: Refused) => void {
  let writtenAt = -Infinity;
  let leftOut = 0;
  return ({ code, reason, path }) => {
    if (now() - writtenAt < interval) {
      leftOut++;
      return;
    }
    writtenAt = now();
    const before = leftOut === 0 ? "" : ` (${leftOut} more before it)`;
    leftOut = 0;
    console.warn(`tocsin: refused ${code}${path === undefined ? "" : ` at ${path}`}: ${reason}${before}`);
  };
}
