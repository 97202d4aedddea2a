/**
 * A set that usually holds one item. For a single item it allocates no `Set`, which would take most of its owner's
 * memory.
 */
export class SmallSet<T extends object> implements Iterable<T> {
  #one: T | undefined;
  /** All items, once there has been a second one. */
  #all: Set<T> | undefined;

  /** The only item, unless there has been a second one. Reading it needs no iterator. */
  get only(): T | undefined {
    return this.#one;
  }

  get size(): number {
    return this.#all?.size ?? (this.#one === undefined ? 0 : 1);
  }

  has(item: T): boolean {
    return this.#all?.has(item) ?? this.#one === item;
  }

  add(item: T): void {
    if (this.#all !== undefined) this.#all.add(item);
    else if (this.#one === undefined) this.#one = item;
    else if (this.#one !== item) {
      this.#all = new Set([this.#one, item]);
      this.#one = undefined;
    }
  }

  /** Deletes an item. Returns whether the set contained it. */
  delete(item: T): boolean {
    if (!this.has(item)) return false;
    this.#one = undefined;
    this.#all?.delete(item);
    if (this.#all?.size === 0) this.#all = undefined;
    return true;
  }

  /**
   * Iterates in insertion order, as a `Set` does. But if there is one item, items added during the loop are not
   * visited.
   */
  [Symbol.iterator](): Iterator<T> {
    return this.#all?.values() ?? (this.#one === undefined ? [] : [this.#one]).values();
  }
}
