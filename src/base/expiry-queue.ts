import type { Clock } from "./clock.ts";
import { type Expiring, Heap } from "./heap.ts";
import type { Scope } from "./scope.ts";

export type { Expiring } from "./heap.ts";

/** The clock and the scope that an expiry queue uses for its timer. */
export interface ExpiryContext {
  readonly clock: Pick<Clock, "now">;
  readonly scope: Scope;
}

/** A priority queue of items that expire, the earliest first, with a single timer. */
export class ExpiryQueue<T extends Expiring> extends Heap<T> {
  readonly #context: ExpiryContext;
  readonly #needsTimer: () => boolean;
  readonly #onExpired: (item: T) => void;
  #armed: { due: number; cancel(): void } | undefined;

  /**
   * `onExpired` is called with each expired item and MUST delete it from the queue. The timer runs only while
   * `needsTimer` returns true; otherwise items expire at the next call of `run`.
   */
  constructor(context: ExpiryContext, needsTimer: () => boolean, onExpired: (item: T) => void) {
    super();
    this.#context = context;
    this.#needsTimer = needsTimer;
    this.#onExpired = onExpired;
  }

  /** Whether the timer is set. */
  get isArmed(): boolean {
    return this.#armed !== undefined;
  }

  get #due(): number {
    return (this.#needsTimer() ? this.first?.expires : undefined) ?? Infinity;
  }

  /** Cancels the timer if it is set for an item that is gone, and sets it for the one that expires next. */
  tidy(): void {
    if (this.#armed?.due !== this.#due) this.#disarm();
    this.arm();
  }

  #disarm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  /** Sets the timer for the item that expires next, if the timer is needed. */
  arm(): void {
    const due = this.#due;
    // A timer that fires too early does no harm: it sets the next one. But when nothing is waited for, no timer may
    // stay.
    if (this.#armed !== undefined && due !== Infinity && due >= this.#armed.due) return;
    this.#disarm();
    if (due === Infinity) return;
    const { scope, clock } = this.#context;
    const cancel = scope.timer("confirmed publications", due - clock.now(), () => {
      this.#armed = undefined;
      this.run();
    });
    this.#armed = { due, cancel };
  }

  /** Calls `onExpired` for every item that has expired, then sets the timer again. */
  run(): void {
    const now = this.#context.clock.now();
    for (let next = this.first; next !== undefined && next.expires <= now; next = this.first)
      this.#onExpired(next);
    this.arm();
  }
}
