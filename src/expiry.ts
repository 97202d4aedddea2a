import type { Hub } from "./hub.ts";

/** Something that ends at a time of its own. */
export interface Expiring {
  /** On the clock's `now`. */
  readonly expires: number;
  /** Where it stands among the others, -1 for nowhere, and which was first; kept by `Expiries` alone. */
  place: number;
  order: number;
}

/** What expires, the next one first, with one timer: a binary heap that anything can leave at once. */
export class Expiries<T extends Expiring> {
  readonly #items: T[] = [];
  #added = 0;
  readonly #hub: Pick<Hub, "clock" | "scope">;
  readonly #isWanted: () => boolean;
  readonly #expired: (item: T) => void;
  #armed: { due: number; cancel(): void } | undefined;

  /** `expired` hears of each when its time is over, in time while `isWanted`; it takes it out. */
  constructor(hub: Pick<Hub, "clock" | "scope">, isWanted: () => boolean, expired: (item: T) => void) {
    this.#hub = hub;
    this.#isWanted = isWanted;
    this.#expired = expired;
  }

  /** Has the timer fire for the next one, as long as anybody wants to hear of it. */
  arm(): void {
    const due = (this.#isWanted() ? this.#items[0]?.expires : undefined) ?? Number.POSITIVE_INFINITY;
    // One that fires too early arms the next one; only where there is nothing to wait for it must not be left.
    if (this.#armed !== undefined && due !== Number.POSITIVE_INFINITY && due >= this.#armed.due) return;
    this.#armed?.cancel();
    this.#armed = undefined;
    if (due === Number.POSITIVE_INFINITY) return;
    const { scope, clock } = this.#hub;
    const cancel = scope.timer("confirmed publications", due - clock.now(), () => {
      this.#armed = undefined;
      this.run();
    });
    this.#armed = { due, cancel };
  }

  /** Lets expire what is past its time. */
  run(): void {
    const now = this.#hub.clock.now();
    for (let next = this.#items[0]; next !== undefined && next.expires <= now; next = this.#items[0])
      this.#expired(next);
    this.arm();
  }

  add(item: T): void {
    item.order = this.#added++;
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  delete(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#rise(last, place);
    this.#sink(last, last.place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }

  #rise(item: T, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#items[above] as T;
      if (isBefore(other, item)) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= items.length) break;
      if (below + 1 < items.length && isBefore(items[below + 1] as T, items[below] as T)) below++;
      const other = items[below] as T;
      if (isBefore(item, other)) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(item, place);
  }
}

/** What expires at the same time does so in the order in which it came. */
function isBefore(one: Expiring, other: Expiring): boolean {
  return one.expires < other.expires || (one.expires === other.expires && one.order < other.order);
}
