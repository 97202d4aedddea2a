/** Bytes that all endings take that are kept. A character takes at most two. */
const most = 16_777_216;

/**
 * The endings that a node has written, for a store that may forget them because it is set back or lost. When there is no
 * room, the oldest are forgotten.
 */
export class KeptEndings<Run> {
  readonly #endings = new Map<Run, string>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(run: Run, data: string): void {
    this.delete(run);
    this.#endings.set(run, data);
    this.#bytes += 2 * data.length;
    for (const oldest of this.#endings.keys()) {
      if (this.#bytes <= most) return;
      this.delete(oldest);
    }
  }

  get(run: Run): string | undefined {
    return this.#endings.get(run);
  }

  delete(run: Run): void {
    this.#bytes -= 2 * (this.#endings.get(run)?.length ?? 0);
    this.#endings.delete(run);
  }

  clear(): void {
    this.#endings.clear();
    this.#bytes = 0;
  }
}
