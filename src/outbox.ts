import type { Codec, PushKind } from "./protocol.ts";

/** The pushes that tell what happens on a channel. */
const kinds: readonly PushKind[] = ["pub", "join", "leave", "message"];

/** What one session is to be sent in the coming turn, in order, and what of it must not leave any more. */
export class Outbox {
  readonly #codec: Codec;
  #texts: string[] = [];
  /** Channels whose content is in a reply that waits here. */
  readonly #answered = new Set<string>();
  /** Channels taken from the peer since its present command began to be answered. */
  readonly #withheld = new Set<string>();

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  push(text: string): void {
    this.#texts.push(text);
  }

  /** The reply that was pushed last holds content of these channels. */
  answered(channels: Iterable<string>): void {
    for (const name of channels) this.#answered.add(name);
  }

  /** The next command begins to be answered. */
  begin(): void {
    if (this.#withheld.size > 0) this.#withheld.clear();
  }

  isWithheld(channel: string): boolean {
    return this.#withheld.has(channel);
  }

  /** Takes out what is pushed to a channel. Answers false where a reply holds more of it: no reply can be taken apart. */
  withhold(channel: string): boolean {
    this.#withheld.add(channel);
    const heads = kinds.map((kind) => this.#codec.pushHead(channel, kind));
    this.#texts = this.#texts.filter((text) => !heads.some((head) => text.startsWith(head)));
    return !this.#answered.has(channel);
  }

  /** Takes everything, as one frame; undefined where there is nothing. */
  take(): string | undefined {
    const texts = this.#texts;
    if (texts.length === 0) return undefined;
    this.clear();
    return texts.length === 1 ? texts[0] : texts.join(this.#codec.separator);
  }

  clear(): void {
    this.#texts = [];
    if (this.#answered.size > 0) this.#answered.clear();
  }
}
