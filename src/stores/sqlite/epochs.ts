/** Makes epochs. The first one draws random bits. */
export class Epochs {
  readonly #place: string;
  #prefix = "";
  #count = 0;

  /** `place` is a text that is different wherever epochs are made independently, if there is one. */
  constructor(place?: string) {
    this.#place = place === undefined ? "" : digest(place);
  }

  /**
   * Returns a new epoch: 48 random bits in twelve characters, so that two processes never make the same epoch, and a
   * count.
   */
  next(): string {
    this.#prefix ||= this.#place + crypto.randomUUID().slice(-12);
    return this.#prefix + (this.#count++).toString(36);
  }
}

/**
 * Returns the epoch that one channel has of an epoch of all channels. Positions of two channels are then not mistaken
 * for each other.
 */
export function epochIn(epoch: string, channel: string): string {
  return `${epoch}.${hash(channel).toString(36)}`;
}

/** FNV-1a, 32 bits. If two names have the same hash, nothing is lost but that check. */
function hash(text: string): number {
  let bits = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) bits = Math.imul(bits ^ text.charCodeAt(at), 0x01000193);
  return bits >>> 0;
}

/** FNV-1a, 64 bits, in thirteen characters. */
function digest(text: string): string {
  let bits = 0xcbf29ce484222325n;
  for (let at = 0; at < text.length; at++)
    bits = BigInt.asUintN(64, (bits ^ BigInt(text.charCodeAt(at))) * 0x100000001b3n);
  return bits.toString(36).padStart(13, "0");
}
