import type { Clock } from "../../base/clock.ts";

/** Keys remembered at most; past it the oldest are forgotten before their time. */
const most = 10_000;

/** Does what has a key only once within a time, and answers everybody with the first one's outcome. */
export class Idempotency<T> {
  readonly #clock: Clock;
  readonly #window: number;
  /** Those under way. */
  readonly #pending = new Map<string, Promise<T>>();
  /** Those that are done, in the order in which they were. */
  readonly #done = new Map<string, { promise: Promise<T>; until: number }>();

  /** `window` is how many milliseconds a key counts for, from when its first use is done. */
  constructor(clock: Clock, window: number) {
    this.#clock = clock;
    this.#window = window;
  }

  /** Answers what the key's first use did or is doing, or does it. A failure frees the key. */
  do(key: string, act: () => Promise<T>): Promise<T> {
    this.#forget();
    const known = this.#pending.get(key) ?? this.#done.get(key)?.promise;
    if (known !== undefined) return known;
    const promise = act();
    this.#pending.set(key, promise);
    const over = (isDone: boolean): void => {
      if (this.#pending.get(key) !== promise) return;
      this.#pending.delete(key);
      if (isDone) this.#done.set(key, { promise, until: this.#clock.now() + this.#window });
    };
    promise.then(
      () => over(true),
      () => over(false),
    );
    return promise;
  }

  #forget(): void {
    const now = this.#clock.now();
    for (const [key, { until }] of this.#done) {
      if (until > now && this.#done.size <= most) return;
      this.#done.delete(key);
    }
  }

  clear(): void {
    this.#pending.clear();
    this.#done.clear();
  }
}
