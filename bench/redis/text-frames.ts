/** Reads what a server sends on a WebSocket: the answer to the upgrade, and then frames that are not masked. */
export class TextFrames {
  readonly #take: (text: string) => void;
  #rest: Buffer = Buffer.alloc(0);
  #isUpgraded = false;

  /** Calls `take` with each text. */
  constructor(take: (text: string) => void) {
    this.#take = take;
  }

  /** Reads bytes. Returns whether they complete the answer to the upgrade. */
  isUpgraded(data: Buffer): boolean {
    this.#rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const wasUpgraded = this.#isUpgraded;
    if (!wasUpgraded) this.#upgrade();
    if (this.#isUpgraded) this.#frames();
    return this.#isUpgraded !== wasUpgraded;
  }

  #upgrade(): void {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#rest.toString("latin1", 0, end);
    if (!head.startsWith("HTTP/1.1 101")) throw new Error(`The upgrade was refused: ${head}`);
    this.#isUpgraded = true;
    this.#rest = this.#rest.subarray(end + 4);
  }

  #frames(): void {
    const bytes = this.#rest;
    let at = 0;
    while (at + 2 <= bytes.length) {
      const short = (bytes[at + 1] as number) & 127;
      const head = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (at + head > bytes.length) break;
      const size =
        short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short === 126
            ? bytes.readUInt16BE(at + 2)
            : short;
      if (at + head + size > bytes.length) break;
      const isText = ((bytes[at] as number) & 15) === 1;
      if (isText) this.#take(bytes.toString("utf8", at + head, at + head + size));
      at += head + size;
    }
    this.#rest = bytes.subarray(at);
  }
}
