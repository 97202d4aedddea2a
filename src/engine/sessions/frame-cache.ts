/**
 * Joins the parts of frames, once for all who are sent the same.
 *
 * Sessions at the same place in the same channels have the same parts, and come one after the other.
 */
export class FrameCache {
  readonly #separator: string;
  #first = "";
  #rest: readonly string[] = [];
  #text = "";

  constructor(separator: string) {
    this.#separator = separator;
  }

  /** The text of a frame: `first` and what follows it. */
  join(first: string, rest: readonly string[]): string {
    if (!this.#isAgain(first, rest)) {
      this.#first = first;
      this.#rest = rest;
      this.#text = first + this.#separator + rest.join(this.#separator);
    }
    return this.#text;
  }

  #isAgain(first: string, rest: readonly string[]): boolean {
    if (rest.length !== this.#rest.length || first !== this.#first) return false;
    for (let at = 0; at < rest.length; at++) if (rest[at] !== this.#rest[at]) return false;
    return true;
  }

  /** Keeps nothing until the next turn. */
  clear(): void {
    this.#first = "";
    this.#rest = [];
    this.#text = "";
  }
}
