import type { Codec } from "../../wire/protocol.ts";
import type { FrameCache } from "./frame-cache.ts";

/**
 * What one session is sent in the coming turn, in order, and which channels must be left out of it. Most often it is
 * one text, or nothing.
 *
 * There are thousands of sessions, and most of them are idle. So the collections exist only while they have content.
 */
export class Outbox {
  #first: string | undefined;
  #rest: string[] | undefined;
  /** Channels whose content is in a queued reply. */
  #answered: Set<string> | undefined;
  /** Channels that were taken from the peer since the current command began. */
  #withheld: Set<string> | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  push(text: string): void {
    if (this.#first === undefined) this.#first = text;
    else if (this.#rest === undefined) this.#rest = [text];
    else this.#rest.push(text);
  }

  /** Notes that the reply queued last contains content of these channels. */
  answered(channels: readonly string[]): void {
    if (channels.length === 0) return;
    this.#answered ??= new Set();
    for (const name of channels) this.#answered.add(name);
  }

  /** Called when the next command begins. */
  begin(): void {
    this.#withheld = undefined;
  }

  isWithheld(channel: string): boolean {
    return this.#withheld?.has(channel) === true;
  }

  /**
   * Removes the queued pushes of a channel. Returns false if a queued reply contains content of the channel: a reply
   * cannot be split.
   */
  withhold(channel: string, codec: Codec): boolean {
    this.#withheld ??= new Set();
    this.#withheld.add(channel);
    const isContent = codec.contentOf(channel);
    const texts = this.#first === undefined ? [] : [this.#first, ...(this.#rest ?? [])];
    this.#first = this.#rest = undefined;
    for (const text of texts) if (!isContent(text)) this.push(text);
    return this.#answered?.has(channel) !== true;
  }

  /** Takes everything as one frame. Returns undefined if nothing is queued. */
  take(frames: FrameCache): string | Uint8Array | undefined {
    const first = this.#first;
    const rest = this.#rest;
    this.clear();
    return first === undefined ? undefined : frames.frameOf(first, rest);
  }

  clear(): void {
    this.#first = undefined;
    this.#rest = undefined;
    this.#answered = undefined;
  }
}
