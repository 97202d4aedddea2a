import type { Clock, Timer } from "./clock.ts";

/** Timers by name: one of a name at a time, and all of them ended together. */
export class Timers {
  readonly #clock: Pick<Clock, "timer">;
  readonly #armed = new Map<string, Timer>();

  constructor(clock: Pick<Clock, "timer">) {
    this.#clock = clock;
  }

  has(name: string): boolean {
    return this.#armed.has(name);
  }

  /** Does something once after so many milliseconds. */
  set(name: string, ms: number, fire: () => void): void {
    const timer = this.#clock.timer(ms, () => {
      this.#armed.delete(name);
      fire();
    });
    this.put(name, timer);
  }

  /** Takes something else that is to be cancelled like a timer. */
  put(name: string, timer: Timer): void {
    this.stop(name);
    this.#armed.set(name, timer);
  }

  stop(name: string): void {
    this.#armed.get(name)?.cancel();
    this.#armed.delete(name);
  }

  stopAll(): void {
    for (const name of [...this.#armed.keys()]) this.stop(name);
  }
}
