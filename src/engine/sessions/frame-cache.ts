import type { Codec } from "../../wire/protocol.ts";

/** The empty list of a frame of one part. Nothing is ever added to it. */
const none: readonly string[] = [];

/**
 * Joins the parts of frames. It caches the last frame, so that sessions with the same parts share one text, or the same
 * bytes.
 *
 * Sessions that are at the same position of the same channels have the same parts, and are flushed one after the other.
 */
export class FrameCache {
  readonly #codec: Codec;
  #first = "";
  #rest: readonly string[] = none;
  #frame: string | Uint8Array = "";

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  /** Returns a frame: `first`, then `rest`. */
  frameOf(first: string, rest: readonly string[] = none): string | Uint8Array {
    const { frame, separator } = this.#codec;
    if (rest === none && frame === undefined) return first;
    if (!this.#isCached(first, rest)) {
      this.#first = first;
      this.#rest = rest;
      const text = rest === none ? first : first + separator + rest.join(separator);
      this.#frame = frame === undefined ? text : frame(text);
    }
    return this.#frame;
  }

  #isCached(first: string, rest: readonly string[]): boolean {
    if (rest.length !== this.#rest.length || first !== this.#first) return false;
    for (let at = 0; at < rest.length; at++) if (rest[at] !== this.#rest[at]) return false;
    return true;
  }

  /** Clears the cache at the end of a turn. */
  clear(): void {
    this.#first = "";
    this.#rest = none;
    this.#frame = "";
  }
}
