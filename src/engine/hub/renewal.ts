import { LogError } from "../../model/errors.ts";
import type { Slice } from "../../model/log.ts";
import type { Context } from "../core/context.ts";
import { isOfEpoch } from "../core/publications.ts";
import type { Ledger } from "../delivery/ledger.ts";
import { inBatches, tryAgain } from "../log/try-again.ts";
import type { LostRuns } from "../runs/lost-runs.ts";

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
  readonly #lostRuns: LostRuns;
  /** Number of times that are not dealt with yet. */
  #underWay = 0;

  constructor(context: RenewalContext, lostRuns: LostRuns) {
    this.#context = context;
    this.#lostRuns = lostRuns;
  }

  /**
   * Called whenever the store was set back or lost. It is dealt with at once, also while an earlier time is: what that
   * writes may wait for what is lost now.
   */
  begin(): void {
    if (this.#underWay++ === 0) {
      const what = "the last publications may be missing. This process writes again what its runs need";
      const error = new LogError(`The store was set back to an earlier moment, or lost: ${what}`);
      this.#context.report(error, "log", "renew the log");
    }
    this.#context.scope.own("task", "renew the log", this.#run());
  }

  async #run(): Promise<void> {
    const { runs, joining, records } = this.#context;
    try {
      await joining?.catch(() => {});
      // Without a place in the log nothing can be held. Whoever joins next has the runs.
      if (!records.isMember) return;
      await Promise.all([runs.renew(), this.#lostRuns.renew()]);
      await this.#holdConfirmed();
    } finally {
      this.#underWay--;
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
