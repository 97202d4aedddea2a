import type { Entrant } from "./entrants.ts";
import type { Found } from "./trial.ts";
import type { Workload } from "./workloads.ts";

/** The result of one entrant in one workload, over all rounds. */
export interface Result {
  readonly workload: Workload;
  readonly entrant: Entrant;
  /** The median of each measured value. */
  readonly found: Found;
}

/** The measured values of every round. */
export class Results {
  readonly #found = new Map<string, Found[]>();

  add(workload: Workload, entrant: Entrant, found: Found): void {
    const key = keyOf(workload, entrant);
    this.#found.set(key, [...(this.#found.get(key) ?? []), found]);
  }

  all(workloads: readonly Workload[], entrants: readonly Entrant[]): Result[] {
    const pairs = workloads.flatMap((workload) => entrants.map((entrant) => ({ workload, entrant })));
    return pairs.flatMap(({ workload, entrant }) => {
      const rounds = this.#found.get(keyOf(workload, entrant));
      return rounds === undefined ? [] : [{ workload, entrant, found: medians(rounds) }];
    });
  }
}

function keyOf({ name }: Workload, { id }: Entrant): string {
  return `${name} ${id}`;
}

export function medians(rounds: readonly Found[]): Found {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(rounds.map((found) => found[name] ?? 0))]));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
