import type { Clock, Timer } from "../base/clock.ts";

/** One direction of a connection. What is sent arrives in the same order, each after its latency. */
export class Line {
  readonly #clock: Clock;
  readonly #latency: (() => number) | undefined;
  #underway: { arrive(): void }[] = [];
  readonly #timers = new Set<Timer>();
  /** When the last of it is due. */
  #last = 0;

  /** Without a `latency`, which is in milliseconds, everything arrives in a microtask. */
  constructor(clock: Clock, latency: (() => number) | undefined) {
    this.#clock = clock;
    this.#latency = latency;
  }

  send(arrive: () => void): void {
    const parcel = { arrive };
    this.#underway.push(parcel);
    if (this.#latency === undefined) {
      queueMicrotask(() => {
        if (this.#underway[0] === parcel) this.#next();
      });
      return;
    }
    const now = this.#clock.now();
    this.#last = Math.max(this.#last, now + this.#latency());
    const timer = this.#clock.timer(this.#last - now, () => {
      this.#timers.delete(timer);
      // Two timers may fire in the wrong order. Each lets the first arrive that is under way.
      this.#next();
    });
    this.#timers.add(timer);
  }

  #next(): void {
    this.#underway.shift()?.arrive();
  }

  /** Loses everything that is under way. */
  clear(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#underway = [];
  }
}
