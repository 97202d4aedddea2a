import type { Codec, Method } from "../../wire/protocol.ts";

/** An encoded reply. */
interface Written {
  readonly id: number;
  readonly method: Method;
  readonly result: string;
  readonly text: string;
  readonly bytes: number;
}

/** The minimum length of a result to be cached, in characters. Shorter ones are cheap to encode. */
const minCachedLength = 1_024;

/**
 * Encodes replies. A large reply that is the same for several sessions in a row is encoded once, because thousands of
 * clients may reconnect at the same time.
 */
export class ReplyCache {
  readonly #codec: Codec;
  #last: Written | undefined;
  #isUsed = false;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  write(id: number, method: Method, result: string): Pick<Written, "text" | "bytes"> {
    const last = this.#last;
    if (last !== undefined && last.id === id && last.method === method && last.result === result) {
      this.#isUsed = true;
      return last;
    }
    const text = this.#codec.reply(id, method, result);
    const written = { id, method, result, text, bytes: this.#codec.byteLength(text) };
    if (result.length <= minCachedLength) return written;
    this.#last = written;
    this.#isUsed = true;
    return written;
  }

  /** Clears the cache, unless it was used in this turn. */
  tidy(): void {
    if (!this.#isUsed) this.#last = undefined;
    this.#isUsed = false;
  }
}
