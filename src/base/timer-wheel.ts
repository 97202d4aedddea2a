import { LinkedNode } from "./linked-list.ts";
import type { Scope } from "./scope.ts";

/** Something with a deadline of its own, kept by a wheel. */
export abstract class TimedItem extends LinkedNode {
  /** When it wants to hear next, on the clock's `now`; undefined or Infinity: never. Set by the wheel alone. */
  due: number | undefined;
  /** Called at or shortly after `due`; may ask again. */
  abstract tick(now: number): void;
}

/** Deadlines are rounded up to this many milliseconds, so that thousands of sessions share a few firings. */
const resolution = 50;

/**
 * One timer for any number of deadlines: heartbeats, answers to them, and expiry of every session.
 *
 * It is armed only while something waits, and only for the next deadline.
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

  /** Sets when `item` hears next; undefined or Infinity: never. */
  set(item: TimedItem, due: number | undefined): void {
    const slot = slotOf(due);
    if (slotOf(item.due) === slot) {
      item.due = due;
      return;
    }
    this.#take(item);
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

  get #armedSlot(): number {
    return this.#armed?.slot ?? Infinity;
  }

  #take(item: TimedItem): void {
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
    // A timer may fire a fraction early; what it was armed for is due all the same.
    const reached = Math.floor((now + 1) / resolution);
    for (const slot of [...this.#slots.keys()]) if (slot <= reached) this.#tick(slot, now);
    let next = Infinity;
    for (const slot of this.#slots.keys()) if (slot < next) next = slot;
    // What ticked may have armed it for something earlier already.
    if (next < this.#armedSlot) this.#arm(next);
  }

  /** A tick may take others out, or put them off, or ask again for now: that is for the next firing. */
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

function slotOf(due: number | undefined): number | undefined {
  return due === undefined || due === Infinity ? undefined : Math.ceil(due / resolution);
}
