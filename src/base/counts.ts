/** A counter per key. A key whose count falls to 0 is removed. */
export class Counts<K> extends Map<K, number> {
  add(key: K, by = 1): void {
    const count = (this.get(key) ?? 0) + by;
    if (count > 0) this.set(key, count);
    else this.delete(key);
  }
}
