import type { Clock } from "../../base/clock.ts";
import type { AppendOptions } from "../../model/log.ts";

/** Milliseconds after which a writer takes another name: half of the time for which a log has to know it. */
const known = 300_000;

/** What a log is told of an append, so that it can be sent again. */
type Numbered = NonNullable<AppendOptions["once"]>;

/** Numbers the appends of this process in each channel, so that one whose answer was lost may be sent again. */
export class Writers {
  readonly #clock: Pick<Clock, "now">;
  /** The one least recently used comes first. */
  readonly #writers = new Map<string, { by: string; n: number; at: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** The number of the next append to a channel. */
  next(channel: string): Numbered {
    const at = this.#clock.now();
    this.#forget(at);
    const last = this.#writers.get(channel);
    this.#writers.delete(channel);
    const { by, n } = last ?? { by: crypto.randomUUID(), n: 0 };
    this.#writers.set(channel, { by, n: n + 1, at });
    return { by, n: n + 1 };
  }

  /** Nobody knows whether the last append was done: the next one must not count on it. */
  abandon(channel: string): void {
    this.#writers.delete(channel);
  }

  clear(): void {
    this.#writers.clear();
  }

  #forget(now: number): void {
    for (const [channel, { at }] of this.#writers) {
      if (now - at < known) return;
      this.#writers.delete(channel);
    }
  }
}
