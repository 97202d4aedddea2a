import type { Codec, PushKind } from "./protocol.ts";

/** The pushes that tell what happens on a channel. */
const kinds: readonly PushKind[] = ["pub", "join", "leave", "message"];

/**
 * What one session is to be sent in the coming turn, in order, and what of it must not leave any more.
 *
 * Thousands of them wait for most of the time: its sets are there only while they hold something.
 */
export class Outbox {
  readonly #codec: Codec;
  #texts: string[] = [];
  /** Channels whose content is in a reply that waits here. */
  #answered: Set<string> | undefined;
  /** Channels taken from the peer since its present command began to be answered. */
  #withheld: Set<string> | undefined;

  constructor(codec: Codec) {
    this.#codec = codec;
  }

  push(text: string): void {
    this.#texts.push(text);
  }

  /** The reply that was pushed last holds content of these channels. */
  answered(channels: readonly string[]): void {
    if (channels.length === 0) return;
    this.#answered ??= new Set();
    for (const name of channels) this.#answered.add(name);
  }

  /** The next command begins to be answered. */
  begin(): void {
    this.#withheld = undefined;
  }

  isWithheld(channel: string): boolean {
    return this.#withheld?.has(channel) === true;
  }

  /** Takes out what is pushed to a channel. Answers false where a reply holds more of it: no reply can be taken apart. */
  withhold(channel: string): boolean {
    this.#withheld ??= new Set();
    this.#withheld.add(channel);
    const heads = kinds.map((kind) => this.#codec.pushHead(channel, kind));
    this.#texts = this.#texts.filter((text) => !heads.some((head) => text.startsWith(head)));
    return this.#answered?.has(channel) !== true;
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
    this.#answered = undefined;
  }
}
