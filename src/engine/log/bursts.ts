import type { AppendQueuesParts } from "./append-queue.ts";
import { Burst } from "./burst.ts";

/** The channels that are published to faster than they are read: something waits in every turn, or somebody is behind. */
export class Bursts implements Iterable<Burst> {
  readonly #parts: Pick<AppendQueuesParts, "log" | "clock" | "slowest">;
  readonly #bursts = new Map<string, Burst>();
  /** The one of them that was published to last. */
  #last: Burst | undefined;
  #isHasty = false;

  constructor(parts: Pick<AppendQueuesParts, "log" | "clock" | "slowest">) {
    this.#parts = parts;
  }

  [Symbol.iterator](): Iterator<Burst> {
    return this.#bursts.values();
  }

  /** Whether publications to a channel have to wait for subscribers. */
  holds(channel: string): boolean {
    return this.#bursts.size > 0 && this.#bursts.get(channel)?.isHeld === true;
  }

  /** Milliseconds for which they have to where no subscriber comes on. */
  left(channel: string): number {
    return this.#bursts.get(channel)?.left(this.#parts.clock.now()) ?? 0;
  }

  /** From now on it is counted what is published to a channel. `before` is how much may have been lately, in bytes. */
  observe(channel: string, top: number, before: number): void {
    if (!this.#bursts.has(channel)) this.#bursts.set(channel, new Burst(channel, top, before));
  }

  /** A publication of so many characters was given this offset. */
  count(channel: string, chars: number, offset: number): void {
    if (this.#bursts.size === 0) return;
    if (this.#last?.channel !== channel) this.#last = this.#bursts.get(channel);
    this.#last?.add(chars, offset);
  }

  /** A turn has ended: looks how far subscribers have come. Where nothing waits, and nobody is behind, it is over. */
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

  /** From now on nobody is waited for. */
  hasten(): void {
    this.#isHasty = true;
  }

  clear(): void {
    this.#bursts.clear();
    this.#last = undefined;
  }
}
