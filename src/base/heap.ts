/** Something that ends at a time of its own. */
export interface Expiring {
  /** On the clock's `now`. */
  readonly expires: number;
  /** Where it stands among the others, -1 for nowhere, and which was first; kept by `Heap` alone. */
  place: number;
  order: number;
}

/** What expires, the next one first: a binary heap that anything can leave at once. */
export class Heap<T extends Expiring> {
  readonly #items: T[] = [];
  #added = 0;

  /** What expires next. */
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
