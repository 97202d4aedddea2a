/** An item with an expiry time, as a heap holds it. */
export interface Expiring {
  /** When the item expires, on the clock's `now`. */
  readonly expires: number;
  /** The item's index in the heap, or -1 when it is in none. Only `Heap` sets it. */
  place: number;
  /** The insertion order. Only `Heap` sets it. */
  order: number;
}

/** A binary heap of items by expiry time, the earliest first. Any item can be deleted in logarithmic time. */
export class Heap<T extends Expiring> {
  readonly #items: T[] = [];
  #added = 0;

  /** The item that expires next. */
  get first(): T | undefined {
    return this.#items[0];
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
      const parent = (place - 1) >> 1;
      const other = this.#items[parent] as T;
      if (isBefore(other, item)) break;
      this.#put(other, place);
      place = parent;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    const items = this.#items;
    let place = from;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1] as T, items[child] as T)) child++;
      const other = items[child] as T;
      if (isBefore(item, other)) break;
      this.#put(other, place);
      place = child;
    }
    this.#put(item, place);
  }
}

/** Items with the same expiry time expire in insertion order. */
function isBefore(one: Expiring, other: Expiring): boolean {
  return one.expires < other.expires || (one.expires === other.expires && one.order < other.order);
}
