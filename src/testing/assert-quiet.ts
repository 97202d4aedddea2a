import type { Pending } from "../base/scope.ts";

/** An object that reports what it owns. Every notifier is one. */
export interface Inspectable {
  /** Returns counts, which are all zero when nothing is owned. */
  stats(): object;
  /** Returns everything that is owned now. */
  inspect(): readonly Pending[];
}

/**
 * Throws an error that lists everything a notifier still owns, and each of its counts that is not zero.
 *
 * @example
 * ```ts
 * await notifier.close();
 * assertQuiet(notifier); // or throws: Expected nothing to be left
 *                        //              task run:42 "render", 3.2 s
 *                        //              stats.runs: 1
 * ```
 */
export function assertQuiet(notifier: Inspectable): void {
  const owned = notifier.inspect().map(({ kind, owner, age }) => `${kind} ${owner}, ${span(age)}`);
  const counts = [...countsIn(notifier.stats(), "stats")];
  if (owned.length + counts.length === 0) return;
  throw new Error(["Expected nothing to be left", ...owned, ...counts].join("\n  "));
}

function* countsIn(value: unknown, path: string): Generator<string> {
  if (typeof value === "number" || typeof value === "bigint") {
    if (value !== 0 && value !== 0n) yield `${path}: ${value}`;
  } else if (typeof value === "object" && value !== null) {
    for (const [name, member] of Object.entries(value)) yield* countsIn(member, `${path}.${name}`);
  }
}

function span(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
