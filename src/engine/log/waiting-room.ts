import { BusyError } from "../../model/errors.ts";
import { type AppendQueuesParts, bytesOf, type Waiting } from "./append-queue.ts";

/** How much waits to be appended, or to be committed after that, and the refusal of what has no room. */
export class WaitingRoom {
  readonly #parts: Pick<AppendQueuesParts, "most" | "onError" | "refused">;
  readonly #commits: { readonly size: number; readonly bytes: number } | undefined;
  #size = 0;
  #bytes = 0;
  /** Whether a publication was refused since there was room. Only the first such refusal is reported. */
  #isBusy = false;

  constructor(
    parts: Pick<AppendQueuesParts, "most" | "onError" | "refused">,
    commits: { readonly size: number; readonly bytes: number } | undefined,
  ) {
    this.#parts = parts;
    this.#commits = commits;
  }

  get size(): number {
    return this.#size + (this.#commits?.size ?? 0);
  }

  get bytes(): number {
    return this.#bytes + (this.#commits?.bytes ?? 0);
  }

  enter(item: Waiting): void {
    this.#size++;
    this.#bytes += item.bytes;
  }

  leave(item: Waiting): void {
    this.#size--;
    this.#bytes -= item.bytes;
    if (this.bytes * 2 <= this.#parts.most) this.#isBusy = false;
  }

  /** Whether there is room for a publication. The first one always fits, however large. */
  fits(data: string): boolean {
    return this.bytes === 0 || this.bytes + bytesOf(data) <= this.#parts.most;
  }

  /** Returns the error for a publication that has no room. */
  refuse(channel: string): BusyError {
    const { most, onError, refused } = this.#parts;
    const error = new BusyError(
      `Cannot publish to ${JSON.stringify(channel)}: ${this.size} publications wait, and limits.waiting is ${most} bytes`,
    );
    refused?.();
    // Report it as well: the caller may ignore the rejection.
    if (!this.#isBusy) onError(error, `publish ${channel}`);
    this.#isBusy = true;
    return error;
  }
}
