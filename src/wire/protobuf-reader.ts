/** One field of a message: its number, and a number or bytes. */
export type Field = readonly [number: number, value: number | Uint8Array];

/** The most bytes that a varint of 64 bits takes. */
const longestVarint = 10;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads Protobuf. What it cannot read it answers with undefined, and throws nothing: peers can send thousands of malformed
 * frames.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /**
   * Reads a varint as a number. A negative number of the schema, and any other above 2 ** 53, is not exact, but stays out
   * of the range of those that are.
   */
  varint(): number | undefined {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < longestVarint; count++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) return undefined;
      this.#at++;
      value += (byte % 128) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    return undefined;
  }

  /** Reads bytes that have their length before them. They share the memory of the frame. */
  delimited(): Uint8Array | undefined {
    const length = this.varint();
    return length === undefined ? undefined : this.#take(length);
  }

  #take(length: number): Uint8Array | undefined {
    const end = this.#at + length;
    if (end > this.#bytes.length) return undefined;
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  /** Reads a field. Fields of 4 and of 8 bytes, which the protocol does not have, are bytes. */
  field(): Field | undefined {
    const tag = this.varint();
    if (tag === undefined || tag < 8 || tag >= 2 ** 32) return undefined;
    const value = this.#value(tag % 8);
    return value === undefined ? undefined : [Math.floor(tag / 8), value];
  }

  #value(type: number): number | Uint8Array | undefined {
    if (type === 0) return this.varint();
    if (type === 2) return this.delimited();
    if (type === 1) return this.#take(8);
    return type === 5 ? this.#take(4) : undefined;
  }
}

/**
 * Calls a function with each field of a message. Nothing is kept of fields that it ignores: a message can have as many
 * as half of its bytes. Returns false if the message is malformed.
 */
export function eachField(message: Uint8Array, call: (number: Field[0], value: Field[1]) => void): boolean {
  const reader = new ProtobufReader(message);
  while (!reader.isAtEnd) {
    const field = reader.field();
    if (field === undefined) return false;
    call(...field);
  }
  return true;
}

/** Reads UTF-8. Undefined if it is malformed. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
