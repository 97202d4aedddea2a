/**
 * Joins the parts of frames. It caches the last frame, so that sessions with the same parts share one text.
 *
 * Sessions that are at the same position of the same channels have the same parts, and are flushed one after the other.
 */
export class FrameCache {
  readonly #separator: string;
  #first = "";
  #rest: readonly string[] = [];
  #text = "";

  constructor(separator: string) {
    this.#separator = separator;
  }

  /** Returns the text of a frame: `first`, then `rest`. */
  join(first: string, rest: readonly string[]): string {
    if (!this.#isCached(first, rest)) {
      this.#first = first;
      this.#rest = rest;
      this.#text = first + this.#separator + rest.join(this.#separator);
    }
    return this.#text;
  }

  #isCached(first: string, rest: readonly string[]): boolean {
    if (rest.length !== this.#rest.length || first !== this.#first) return false;
    for (let at = 0; at < rest.length; at++) if (rest[at] !== this.#rest[at]) return false;
    return true;
  }

  /** Clears the cache at the end of a turn. */
  clear(): void {
    this.#first = "";
    this.#rest = [];
    this.#text = "";
  }
}
