import { medians } from "../speed/results.ts";
import type { Found } from "../speed/trial.ts";

/** What was measured in each round, by the name of the measurement. */
export class Rounds {
  readonly #found = new Map<string, Found[]>();

  /** Adds what was measured, and prints it. */
  add(name: string, found: Found): void {
    this.#found.set(name, [...(this.#found.get(name) ?? []), found]);
    const values = Object.entries(found).map(([key, value]) => `${key} ${Number(value.toPrecision(4))}`);
    console.log(`${name}: ${values.join(", ")}`);
  }

  /** Returns the median of each value of a measurement, or undefined if it was not made. */
  medians(name: string): Found | undefined {
    const found = this.#found.get(name);
    return found && medians(found);
  }

  /** Returns the lowest and the highest of one value. */
  range(name: string, value: string): readonly [number, number] {
    const all = (this.#found.get(name) ?? []).map((found) => found[value] ?? 0);
    return [Math.min(...all), Math.max(...all)];
  }
}
