import { byteLength } from "../../base/bytes.ts";
import type { Codec, Method } from "../../wire/protocol.ts";

/** A reply as it is sent. */
interface Written {
  readonly id: number;
  readonly method: Method;
  readonly result: string;
  readonly text: string;
  readonly bytes: number;
}

/** Results over so many characters are worth a look whether the last one was the same. */
const worthwhile = 1_024;

/** Writes replies, a large one once for all who get the same one after the other: thousands may come back at once. */
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
    const written = { id, method, result, text, bytes: byteLength(text) };
    if (result.length <= worthwhile) return written;
    this.#last = written;
    this.#isUsed = true;
    return written;
  }

  /** Keeps for the next turn only what was written in this one. */
  tidy(): void {
    if (!this.#isUsed) this.#last = undefined;
    this.#isUsed = false;
  }
}
