import type { ErrorContext } from "../model/hooks.ts";
import type { Refused } from "../model/refused.ts";
import { loggable } from "./printable.ts";

/** Writes an error to the console, with its stage and owner. This is the default `onError` hook. */
export function errorToConsole(error: unknown, { stage, owner }: ErrorContext): void {
  console.error(`tocsin: ${stage} of ${owner}:`, loggable(error));
}

/** Writes an error to the console that no hook can receive, for example one that a hook threw. */
export function complain(error: unknown): void {
  console.error("tocsin:", loggable(error));
}

/** The minimum time between two lines, in milliseconds. */
const interval = 1_000;

/**
 * Returns a function that writes refused connections to the console. It writes at most one line per second, because any
 * client can cause refusals. Each line has the number of refusals that were skipped since the last line.
 */
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
