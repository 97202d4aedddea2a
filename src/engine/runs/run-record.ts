import type { HeldRecords } from "../core/held-records.ts";

/** What the log holds for a run until its ending is written and announced: whoever inherits it ends the run. */
export class RunRecord {
  readonly #records: HeldRecords;
  text: string | undefined;
  /** Number of times that the store was set back or lost, and that are not dealt with yet. */
  #renewals = 0;
  #isLeft = false;

  constructor(records: HeldRecords) {
    this.#records = records;
    this.text = records.create({ is: "run" });
  }

  /** Puts another record in its place, because the store may know that this one was released. */
  replace(): void {
    this.text = this.#records.create({ is: "run" });
  }

  /** Renews the run. Meanwhile only `renew` knows whether the store still has its ending. */
  async renewing<T>(renew: () => Promise<T>): Promise<T> {
    this.#renewals++;
    this.#records.keep(this.text);
    try {
      return await renew();
    } finally {
      this.#renewals--;
    }
  }

  /** Leaves the ending to whoever inherits the record: the store has lost it, and this process closes. */
  leave(): void {
    this.#isLeft = true;
  }

  /** Called once the ending is written and announced. */
  done(): void {
    if (!this.#isLeft && this.#renewals === 0) this.release();
  }

  release(): void {
    this.#records.release(this.text);
  }
}
