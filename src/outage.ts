import { describe } from "./errors.ts";
import type { Hub } from "./hub.ts";

/** The first and the longest pause before a channel is read again, in milliseconds; a random part is added, of as much at most. */
const pause = { first: 500, longest: 2_500 };

/** What of a channel is read: what follows its top, or what somebody misses who is further behind. */
export type Reading = "top" | "behind";

/** A time in which a channel cannot be read: it is told of once, and looked at again after pauses that grow. */
export class Outage {
  readonly of: Reading;
  readonly #hub: Hub;
  readonly #channel: string;
  readonly #again: () => void;
  #pause = pause.first;
  #told: string | undefined;
  #cancel: (() => void) | undefined;

  constructor(hub: Hub, channel: string, of: Reading, again: () => void) {
    this.#hub = hub;
    this.#channel = channel;
    this.of = of;
    this.#again = again;
  }

  /** Whether it is not to be read now: everything waits for the next look. When closing there may be no other. */
  get isPausing(): boolean {
    return this.#cancel !== undefined && !this.#hub.flushing;
  }

  /** A read failed. */
  failed(error: unknown): void {
    const { message } = describe(error);
    if (message !== this.#told) this.#hub.report(error, "log", `channel ${this.#channel}`);
    this.#told = message;
    if (this.#cancel !== undefined) return;
    const wait = this.#pause * (1 + this.#hub.clock.random());
    this.#pause = Math.min(this.#pause * 2, pause.longest);
    this.#cancel = this.#hub.scope.timer(`read ${this.#channel}`, wait, () => {
      this.#cancel = undefined;
      this.#again();
    });
  }

  end(): void {
    this.#cancel?.();
  }
}
