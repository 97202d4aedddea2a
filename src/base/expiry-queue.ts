import type { Clock } from "./clock.ts";
import { type Expiring, Heap } from "./heap.ts";
import type { Scope } from "./scope.ts";

export type { Expiring } from "./heap.ts";

/** What a queue of what expires is timed by. */
export interface ExpiryContext {
  readonly clock: Pick<Clock, "now">;
  readonly scope: Scope;
}

/** What expires, the next one first, with one timer. */
export class ExpiryQueue<T extends Expiring> extends Heap<T> {
  readonly #context: ExpiryContext;
  readonly #isWanted: () => boolean;
  readonly #expired: (item: T) => void;
  #armed: { due: number; cancel(): void } | undefined;

  /** `expired` hears of each when its time is over, in time while `isWanted`; it takes it out. */
  constructor(context: ExpiryContext, isWanted: () => boolean, expired: (item: T) => void) {
    super();
    this.#context = context;
    this.#isWanted = isWanted;
    this.#expired = expired;
  }

  /** Has the timer fire for the next one, as long as anybody wants to hear of it. */
  arm(): void {
    const due = (this.#isWanted() ? this.first?.expires : undefined) ?? Infinity;
    // One that fires too early arms the next one; only where there is nothing to wait for it must not be left.
    if (this.#armed !== undefined && due !== Infinity && due >= this.#armed.due) return;
    this.#armed?.cancel();
    this.#armed = undefined;
    if (due === Infinity) return;
    const { scope, clock } = this.#context;
    const cancel = scope.timer("confirmed publications", due - clock.now(), () => {
      this.#armed = undefined;
      this.run();
    });
    this.#armed = { due, cancel };
  }

  /** Lets expire what is past its time. */
  run(): void {
    const now = this.#context.clock.now();
    for (let next = this.first; next !== undefined && next.expires <= now; next = this.first)
      this.#expired(next);
    this.arm();
  }
}
