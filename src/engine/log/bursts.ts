import type { AppendQueuesParts } from "./append-queue.ts";
import { Burst } from "./burst.ts";

/**
 * The channels that are published to faster than they are read: publications wait in every turn, or a subscriber is
 * behind.
 */
export class Bursts implements Iterable<Burst> {
  readonly #parts: Pick<AppendQueuesParts, "log" | "clock" | "slowest">;
  readonly #bursts = new Map<string, Burst>();
  /** The burst that was counted last. */
  #last: Burst | undefined;
  #isHasty = false;

  constructor(parts: Pick<AppendQueuesParts, "log" | "clock" | "slowest">) {
    this.#parts = parts;
  }

  [Symbol.iterator](): Iterator<Burst> {
    return this.#bursts.values();
  }

  /** Whether publications to a channel must wait for subscribers. */
  holds(channel: string): boolean {
    return this.#bursts.size > 0 && this.#bursts.get(channel)?.isHeld === true;
  }

  /** Returns the milliseconds for which they still wait if no subscriber makes progress. */
  left(channel: string): number {
    return this.#bursts.get(channel)?.left(this.#parts.clock.now()) ?? 0;
  }

  /**
   * Starts to count what is published to a channel. `before` is the number of bytes that may have been published to it
   * recently.
   */
  observe(channel: string, top: number, before: number): void {
    if (!this.#bursts.has(channel)) this.#bursts.set(channel, new Burst(channel, top, before));
  }

  /** Counts a publication of so many characters at this offset. */
  count(channel: string, chars: number, offset: number): void {
    if (this.#bursts.size === 0) return;
    if (this.#last?.channel !== channel) this.#last = this.#bursts.get(channel);
    this.#last?.add(chars, offset);
  }

  /**
   * Ends a turn: checks how far subscribers have come. The burst is over if nothing waits and no subscriber is behind.
   */
  endTurn(burst: Burst, isWaiting: boolean): void {
    const { channel } = burst;
    const { log, clock } = this.#parts;
    const offset = burst.turn(log.keeps?.(channel) ?? {});
    burst.waitFor((givenUp) => this.#slowest(channel, offset, givenUp), clock.now());
    if (isWaiting || this.#slowest(channel, burst.offset, -1) !== undefined) return;
    this.#bursts.delete(channel);
    if (this.#last === burst) this.#last = undefined;
  }

  #slowest(channel: string, offset: number, after: number): number | undefined {
    return this.#isHasty || offset === 0 ? undefined : this.#parts.slowest?.(channel, offset, after);
  }

  /** Stops waiting for subscribers. */
  hasten(): void {
    this.#isHasty = true;
  }

  clear(): void {
    this.#bursts.clear();
    this.#last = undefined;
  }
}
