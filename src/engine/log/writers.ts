import type { Clock } from "../../base/clock.ts";
import type { AppendOptions } from "../../model/log.ts";

/** Milliseconds after which a writer gets another name: half of the time for which a log must remember it. */
const renameAfter = 300_000;

/** The name and number of an append, with which it can be sent again. */
type Numbered = NonNullable<AppendOptions["once"]>;

/** Numbers the appends of this process in each channel, so that one whose result was lost can be sent again. */
export class Writers {
  readonly #clock: Pick<Clock, "now">;
  /** The least recently used first. */
  readonly #writers = new Map<string, { by: string; n: number; at: number }>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Returns the name and number of the next append to a channel. */
  next(channel: string): Numbered {
    const at = this.#clock.now();
    this.#forget(at);
    const last = this.#writers.get(channel);
    this.#writers.delete(channel);
    const { by, n } = last ?? { by: crypto.randomUUID(), n: 0 };
    this.#writers.set(channel, { by, n: n + 1, at });
    return { by, n: n + 1 };
  }

  /** Forgets the writer of a channel after an append of unknown result: the next append must not depend on it. */
  abandon(channel: string): void {
    this.#writers.delete(channel);
  }

  /** Takes the number of an append back that was refused, and so does not count. */
  undo(channel: string, { by, n }: Numbered): void {
    const last = this.#writers.get(channel);
    if (last?.by === by && last.n === n) last.n--;
  }

  clear(): void {
    this.#writers.clear();
  }

  #forget(now: number): void {
    for (const [channel, { at }] of this.#writers) {
      if (now - at < renameAfter) return;
      this.#writers.delete(channel);
    }
  }
}
