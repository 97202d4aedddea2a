import type { Clock } from "./clock.ts";

/** Keys remembered at most; past it the oldest are forgotten before their time. */
const most = 10_000;

/** Does what has a key only once within a time, and answers everybody with the first one's outcome. */
export class Once<T> {
  readonly #clock: Clock;
  readonly #window: number;
  /** In the order in which they were made. */
  readonly #made = new Map<string, { promise: Promise<T>; until: number }>();

  /** `window` is how many milliseconds a key counts for, from its first use. */
  constructor(clock: Clock, window: number) {
    this.#clock = clock;
    this.#window = window;
  }

  /** Answers what the key's first use did or is doing, or does it. A failure frees the key. */
  do(key: string, act: () => Promise<T>): Promise<T> {
    const now = this.#clock.now();
    this.#forget(now);
    const known = this.#made.get(key);
    if (known !== undefined) return known.promise;
    const promise = act();
    const made = { promise, until: now + this.#window };
    this.#made.set(key, made);
    promise.catch(() => {
      if (this.#made.get(key) === made) this.#made.delete(key);
    });
    return promise;
  }

  #forget(now: number): void {
    for (const [key, { until }] of this.#made) {
      if (until > now && this.#made.size <= most) return;
      this.#made.delete(key);
    }
  }

  clear(): void {
    this.#made.clear();
  }
}
