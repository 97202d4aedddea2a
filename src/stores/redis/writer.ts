import { systemClock } from "../../base/clock.ts";
import { bucketOf } from "./keys.ts";
import { Lane, type LaneParts } from "./lane.ts";
import { SettlingOperation, type Written } from "./operation.ts";

/** What a writer is created from. */
export interface WriterParts extends Omit<LaneParts, "isPipelined"> {
  readonly isCluster: boolean;
}

/** Milliseconds that an aborted append waits for its answer, once it was sent: it may have been made. */
const lastWait = 1_000;

/** Writes what is asked for in one turn together: in a Cluster, in one call for each bucket. */
export class Writer {
  readonly #parts: WriterParts;
  readonly #lanes = new Map<number, Lane>();
  #isFlushing = false;
  /** How many are not answered, and what is called when there are none any more. */
  #writing = 0;
  #written = (): void => {};

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** Writes an operation, and resolves with what `read` makes of its answer. */
  write<T>(parts: Written, read: (answer: string) => T, signal?: AbortSignal): Promise<T> {
    const lane = this.#lane(parts.channel);
    const { scope } = this.#parts;
    return scope.wait<T>("an answer of Redis", undefined, (settle) => {
      this.#writing++;
      const written = new SettlingOperation(parts, settle, read);
      let stopWaiting = (): void => {};
      const unlink = scope.link(signal, (reason) => {
        const give = (): void => written.reject(reason);
        if (lane.withdraw(written)) give();
        else stopWaiting = scope.timer("an answer of Redis", lastWait, give);
      });
      lane.add(written);
      this.#flushLater();
      return () => {
        unlink();
        stopWaiting();
        if (--this.#writing === 0) this.#written();
      };
    });
  }

  /** Resolves once everything that was asked for is answered. */
  written(): Promise<void> {
    if (this.#writing === 0) return Promise.resolve();
    return this.#parts.scope.wait<void>("answers of Redis", undefined, ({ resolve }) => {
      this.#written = () => resolve();
      return () => {
        this.#written = () => {};
      };
    });
  }

  #lane(channel: string): Lane {
    const { isCluster } = this.#parts;
    const bucket = isCluster ? bucketOf(channel) : 0;
    const lane = this.#lanes.get(bucket) ?? new Lane({ ...this.#parts, isPipelined: !isCluster });
    this.#lanes.set(bucket, lane);
    return lane;
  }

  #flushLater(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    systemClock.turn(() => {
      this.#isFlushing = false;
      for (const lane of this.#lanes.values()) lane.flush();
    });
  }
}
