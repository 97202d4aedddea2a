import type { Clock } from "../../base/clock.ts";

/** The maximum number of remembered keys. Above it the oldest are forgotten early. */
const maxKeys = 10_000;

/** Runs an action with a key only once within a time. Every call with the key gets the result of the first one. */
export class Idempotency<T> {
  readonly #clock: Clock;
  readonly #window: number;
  /** Actions in progress. */
  readonly #pending = new Map<string, Promise<T>>();
  /** Finished actions, in the order in which they finished. */
  readonly #done = new Map<string, { promise: Promise<T>; until: number }>();

  /** `window` is how long a key is remembered after its action has finished, in milliseconds. */
  constructor(clock: Clock, window: number) {
    this.#clock = clock;
    this.#window = window;
  }

  /** Returns the result of the key's first action, or runs the action. If an action fails, its key is free again. */
  do(key: string, act: () => Promise<T>): Promise<T> {
    this.#forget();
    const known = this.#pending.get(key) ?? this.#done.get(key)?.promise;
    if (known !== undefined) return known;
    const promise = act();
    this.#pending.set(key, promise);
    const finish = (isDone: boolean): void => {
      if (this.#pending.get(key) !== promise) return;
      this.#pending.delete(key);
      if (isDone) this.#done.set(key, { promise, until: this.#clock.now() + this.#window });
    };
    promise.then(
      () => finish(true),
      () => finish(false),
    );
    return promise;
  }

  #forget(): void {
    const now = this.#clock.now();
    for (const [key, { until }] of this.#done) {
      if (until > now && this.#done.size <= maxKeys) return;
      this.#done.delete(key);
    }
  }

  clear(): void {
    this.#pending.clear();
    this.#done.clear();
  }
}
