import { LinkedNode } from "../../base/linked-list.ts";
import type { Scope } from "../../base/scope.ts";
import type { Queue } from "./append-queue.ts";

/** What held queues are created from. */
export interface HeldQueuesParts {
  readonly scope: Scope;
  /** Schedules a turn, in which the queues are checked. */
  schedule(): void;
}

/**
 * The queues that wait for subscribers to catch up. They are checked in the coming turns, and when no subscriber has made
 * progress for a while.
 */
export class HeldQueues {
  readonly #parts: HeldQueuesParts;
  readonly #queues = new LinkedNode();
  #disarm: (() => void) | undefined;

  constructor(parts: HeldQueuesParts) {
    this.#parts = parts;
  }

  /** Makes a queue wait. `left` is for how many milliseconds, if no subscriber makes progress. */
  add(queue: Queue, left: number): void {
    if (!queue.isHeld) this.#parts.schedule();
    queue.isHeld = true;
    queue.moveTo(this.#queues);
    this.#disarm ??= this.#parts.scope.timer("subscribers behind a burst", left, () => {
      this.#disarm = undefined;
      this.check();
    });
  }

  /** Called when a subscriber has read, or time has passed: the queues are checked in the coming turn. */
  check(): void {
    if (!this.#queues.isUnlinked) this.#parts.schedule();
  }

  /** Called when a queue was removed: without any, there is nothing to wait for. */
  removed(): void {
    if (!this.#queues.isUnlinked) return;
    this.#disarm?.();
    this.#disarm = undefined;
  }
}
