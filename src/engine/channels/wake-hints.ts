import type { Position, Slice, WakeHint } from "../../model/log.ts";

/** What wakes have brought along since a channel was last read, as long as nothing is missing in it. */
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

  /** Adds a hint. Returns false where it does not come right after the last one, or is too much: then the log is to be read. */
  add(hint: WakeHint | undefined): boolean {
    const { offset, epoch } = this.#after;
    if (hint === undefined || hint.epoch !== epoch || hint.offset !== offset + this.#hints.length + 1)
      return false;
    this.#chars += hint.data.length;
    this.#hints.push(hint);
    return this.#chars <= this.#maxChars;
  }

  /** The same as a read would return it. */
  get slice(): Slice {
    const { offset, epoch } = this.#after;
    const first = offset + 1;
    return { epoch, top: offset + this.#hints.length, first, entries: this.#hints, gapless: true };
  }
}
