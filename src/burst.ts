import type { Retention } from "./log.ts";

/** Bytes that a publication counts beside its payload: what it takes in a log's memory. */
const overhead = 192;

/**
 * What is published to one channel by somebody who never pauses: how much, up to which offset.
 *
 * It tells which subscribers are so far behind that more of it could cost them their place.
 */
export class Burst {
  readonly channel: string;
  #offset = 0;
  #bytes = 0;
  /** Where earlier turns ended, the oldest first. */
  readonly #marks: { readonly offset: number; readonly bytes: number }[] = [];

  constructor(channel: string) {
    this.channel = channel;
  }

  /** A publication of so many characters was given this offset. */
  add(chars: number, offset: number): void {
    this.#bytes += chars + overhead;
    this.#offset = offset;
  }

  /**
   * Ends a turn. Returns the offset that subscribers should have reached: whoever has not is behind by half of what the log
   * keeps.
   */
  turn({ size = 1_000, bytes = 1_048_576, slack = 0 }: Readonly<Partial<Retention>>): number {
    const half = (bytes + slack) / 2;
    if (this.#marks.at(-1)?.bytes !== this.#bytes)
      this.#marks.push({ offset: this.#offset, bytes: this.#bytes });
    // Of those that are far enough behind only the last one matters.
    while ((this.#marks[1]?.bytes ?? Infinity) <= this.#bytes - half) this.#marks.shift();
    const [oldest] = this.#marks;
    const reached = oldest !== undefined && oldest.bytes <= this.#bytes - half ? oldest.offset : 0;
    return slack > 0 ? reached : Math.max(reached, this.#offset - Math.floor(size / 2));
  }
}
