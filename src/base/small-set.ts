/** Things of which there is mostly one: a set would then be most of what whoever holds them takes. */
export class SmallSet<T extends object> implements Iterable<T> {
  #one: T | undefined;
  /** All of them, since there was a second. */
  #all: Set<T> | undefined;

  /** The only one, where there has been no second: whoever looks at it needs no iterator. */
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

  /** Answers whether it was there. */
  delete(item: T): boolean {
    if (!this.has(item)) return false;
    this.#one = undefined;
    this.#all?.delete(item);
    if (this.#all?.size === 0) this.#all = undefined;
    return true;
  }

  /** In the order in which they came, as a set's; but where there is one, another that comes meanwhile is not seen. */
  [Symbol.iterator](): Iterator<T> {
    return this.#all?.values() ?? (this.#one === undefined ? [] : [this.#one]).values();
  }
}
