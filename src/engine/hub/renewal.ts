import { LogError } from "../../model/errors.ts";
import type { Slice } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import { isOfEpoch } from "../core/publications.ts";
import type { Ledger } from "../delivery/ledger.ts";
import { inBatches, tryAgain } from "../log/try-again.ts";

/** What renewing needs besides the context. */
export interface RenewalContext extends Context {
  readonly ledger: Ledger;
  readonly runs: { renew(): Promise<void> };
  /** Settles once this process is a member of its log. Undefined after that, and for a log without members. */
  readonly joining: Promise<void> | undefined;
}

/** Writes and holds again what a store must know of this process, after it was set back or lost. */
export class Renewal {
  readonly #context: RenewalContext;
  /** Whether it happened again since the last look. */
  #isDue = false;
  #isUnderWay = false;

  constructor(context: RenewalContext) {
    this.#context = context;
  }

  /** Called whenever the store was set back or lost. */
  begin(): void {
    this.#isDue = true;
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    const what = "the last publications may be missing. This process writes again what its runs need";
    this.#context.report(
      new LogError(`The store was set back to an earlier moment, or lost: ${what}`),
      "log",
      "renew the log",
    );
    this.#context.scope.own("task", "renew the log", this.#run());
  }

  async #run(): Promise<void> {
    const { runs, joining } = this.#context;
    try {
      await joining?.catch(() => {});
      while (this.#isDue) {
        this.#isDue = false;
        await runs.renew();
        await this.#holdConfirmed();
      }
    } finally {
      this.#isUnderWay = false;
    }
  }

  /** Holds again what waits to be confirmed, as far as it is still there. */
  async #holdConfirmed(): Promise<void> {
    const { ledger, log, records } = this.#context;
    const slices = new Map<string, Slice>();
    const channels = [...new Set(ledger.held.map(({ channel }) => channel))];
    await inBatches(channels, async (channel) => {
      const read = () => log.read(channel, { limit: 0 });
      slices.set(channel, await tryAgain(this.#context, `what is left of ${channel}`, read));
    });
    for (const held of ledger.held) {
      const slice = slices.get(held.channel);
      const { offset } = held.position;
      if (slice === undefined || offset < slice.first || !isOfEpoch(held.position, slice)) continue;
      records.hold({ ...held, position: { epoch: slice.epoch, offset } });
    }
  }
}
