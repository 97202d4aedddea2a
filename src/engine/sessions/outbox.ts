import type { Codec, PushKind } from "../../wire/protocol.ts";
import type { FrameCache } from "./frame-cache.ts";

/** The pushes that tell what happens on a channel. */
const kinds: readonly PushKind[] = ["pub", "join", "leave", "message"];

/**
 * What one session is to be sent in the coming turn, in order, and what of it must not leave any more: most often one
 * text, or nothing.
 *
 * Thousands of them wait for most of the time: what holds more is there only while it does.
 */
export class Outbox {
  #first: string | undefined;
  #rest: string[] | undefined;
  /** Channels whose content is in a reply that waits here. */
  #answered: Set<string> | undefined;
  /** Channels taken from the peer since its present command began to be answered. */
  #withheld: Set<string> | undefined;

  push(text: string): void {
    if (this.#first === undefined) this.#first = text;
    else if (this.#rest === undefined) this.#rest = [text];
    else this.#rest.push(text);
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
  withhold(channel: string, codec: Codec): boolean {
    this.#withheld ??= new Set();
    this.#withheld.add(channel);
    const heads = kinds.map((kind) => codec.pushHead(channel, kind));
    const texts = this.#first === undefined ? [] : [this.#first, ...(this.#rest ?? [])];
    this.#first = this.#rest = undefined;
    for (const text of texts) if (!heads.some((head) => text.startsWith(head))) this.push(text);
    return this.#answered?.has(channel) !== true;
  }

  /** Takes everything, as one frame; undefined where there is nothing. */
  take(frames: FrameCache): string | undefined {
    const first = this.#first;
    const rest = this.#rest;
    this.clear();
    return first === undefined || rest === undefined ? first : frames.join(first, rest);
  }

  clear(): void {
    this.#first = undefined;
    this.#rest = undefined;
    this.#answered = undefined;
  }
}
