import { LinkedNode } from "./linked-list.ts";
import type { Scope } from "./scope.ts";

/** An item with a deadline, held by a timer wheel. */
export abstract class TimedItem extends LinkedNode {
  /** The deadline, on the clock's `now`. Undefined or Infinity: none. Only the wheel sets it. */
  due: number | undefined;
  /** Is called at `due` or shortly after; `now` is never before `due`. It may set a new deadline. */
  abstract tick(now: number): void;
  /** Is called when the wheel looks for deadlines without a reason. It may set the right one. */
  retime(): void {}
}

/**
 * Deadlines are rounded up to a multiple of this many milliseconds, so that thousands of sessions share a few firings.
 */
const resolution = 50;

/**
 * One timer for any number of deadlines: the heartbeats, pongs and expiry times of all sessions.
 *
 * The timer is set only while an item has a deadline, and only for the earliest one. If that item is removed, the timer
 * may fire and find nothing due.
 */
export class TimerWheel {
  readonly #scope: Scope;
  readonly #now: () => number;
  readonly #slots = new Map<number, LinkedNode>();
  #armed: { slot: number; cancel(): void } | undefined;

  constructor(scope: Scope, now: () => number) {
    this.#scope = scope;
    this.#now = now;
  }

  /** Sets the deadline of `item`. Undefined or Infinity removes it. */
  set(item: TimedItem, due: number | undefined): void {
    const slot = slotOf(due);
    if (slotOf(item.due) === slot) {
      item.due = due;
      return;
    }
    this.#remove(item);
    item.due = due;
    if (slot === undefined) return;
    let items = this.#slots.get(slot);
    if (items === undefined) {
      items = new LinkedNode();
      this.#slots.set(slot, items);
    }
    item.moveTo(items);
    if (slot < this.#armedSlot) this.#arm(slot);
  }

  /** Whether the timer is set. */
  get isArmed(): boolean {
    return this.#armed !== undefined;
  }

  /** Sets the timer for the earliest deadline that still has a reason, or cancels it. */
  tidy(): void {
    for (;;) {
      const first = this.#firstSlot;
      const items = this.#slots.get(first);
      if (items === undefined) return;
      for (const item of [...itemsOf(items)]) item.retime();
      if (this.#firstSlot !== first) continue;
      if (first !== this.#armedSlot) this.#arm(first);
      return;
    }
  }

  get #firstSlot(): number {
    let first = Infinity;
    for (const slot of this.#slots.keys()) if (slot < first) first = slot;
    return first;
  }

  get #armedSlot(): number {
    return this.#armed?.slot ?? Infinity;
  }

  #remove(item: TimedItem): void {
    const slot = slotOf(item.due);
    if (slot === undefined) return;
    item.leave();
    if (this.#slots.get(slot)?.isUnlinked !== true) return;
    this.#slots.delete(slot);
    if (this.#slots.size === 0) this.#disarm();
  }

  #arm(slot: number): void {
    this.#disarm();
    const cancel = this.#scope.timer("heartbeats", slot * resolution - this.#now(), () => this.#fire());
    this.#armed = { slot, cancel };
  }

  #disarm(): void {
    this.#armed?.cancel();
    this.#armed = undefined;
  }

  #fire(): void {
    this.#armed = undefined;
    const now = this.#now();
    // A timer may fire a fraction of a millisecond early. The slot that it was set for is due all the same.
    const lastSlot = Math.floor((now + 1) / resolution);
    for (const slot of [...this.#slots.keys()])
      if (slot <= lastSlot) this.#tick(slot, Math.max(now, slot * resolution));
    const next = this.#firstSlot;
    // A tick may already have set the timer for an earlier deadline.
    if (next < this.#armedSlot) this.#arm(next);
  }

  /** A tick may remove or postpone other items. A deadline that it sets for now is handled by the next firing. */
  #tick(slot: number, now: number): void {
    const items = this.#slots.get(slot);
    this.#slots.delete(slot);
    while (items?.isUnlinked === false) {
      const item = items.newer as TimedItem;
      item.leave();
      item.due = undefined;
      item.tick(now);
    }
  }
}

/** Returns the latest time up to `time` that the wheel does not round up. */
export function lastSlot(time: number): number {
  return Math.floor(time / resolution) * resolution;
}

function* itemsOf(slot: LinkedNode): Generator<TimedItem> {
  for (let item = slot.newer; item !== slot; item = item.newer) yield item as TimedItem;
}

function slotOf(due: number | undefined): number | undefined {
  return due === undefined || due === Infinity ? undefined : Math.ceil(due / resolution);
}
