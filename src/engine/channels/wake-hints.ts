import type { Position, Slice, WakeHint } from "../../model/log.ts";

/** The hints of the wakes since a channel was last read, as long as they have no gap. */
export class WakeHints {
  readonly #after: Position;
  readonly #maxChars: number;
  readonly #hints: WakeHint[] = [];
  #chars = 0;

  /** `after` is the newest position that was read. At most `maxChars` characters of payload are kept. */
  constructor(after: Position, maxChars: number) {
    this.#after = after;
    this.#maxChars = maxChars;
  }

  /**
   * Adds a hint. Returns false if the hint does not follow the last one, or if there are too many characters. Then the
   * log must be read.
   */
  add(hint: WakeHint | undefined): boolean {
    const { offset, epoch } = this.#after;
    if (hint === undefined || hint.epoch !== epoch || hint.offset !== offset + this.#hints.length + 1)
      return false;
    this.#chars += hint.data.length;
    this.#hints.push(hint);
    return this.#chars <= this.#maxChars;
  }

  /** The hints as the result of a read. */
  get slice(): Slice {
    const { offset, epoch } = this.#after;
    const first = offset + 1;
    return { epoch, top: offset + this.#hints.length, first, entries: this.#hints, gapless: true };
  }
}
