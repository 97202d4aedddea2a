/** Makes epochs. The first one draws random bits. */
export class Epochs {
  #prefix = "";
  #count = 0;

  /**
   * Returns a new epoch: 48 random bits in twelve characters, so that two processes never make the same epoch, and a
   * count.
   */
  next(): string {
    this.#prefix ||= crypto.randomUUID().slice(-12);
    return this.#prefix + (this.#count++).toString(36);
  }
}
