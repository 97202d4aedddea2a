import type { HeldRecord } from "../../model/log.ts";
import { WithdrawnError } from "../delivery/confirmation.ts";
import { inBatches } from "../log/try-again.ts";
import { endLost } from "./lost-run.ts";
import type { RunContext } from "./run-channel.ts";

/** A run that was ended, and when, on the clock's `now`. */
interface Ended {
  readonly held: HeldRecord;
  readonly at: number;
}

/** How many ended runs are remembered. */
const most = 10_000;

/**
 * The runs of processes that are gone, as their heir ends them. What it has ended it remembers for `limits.runTtl`: a store
 * that is set back may have forgotten that, and tells nobody again what it has told already.
 */
export class LostRuns {
  readonly #context: RunContext;
  /** What stops each run that is being ended. */
  readonly #underWay = new Set<AbortController>();
  /** By record, the oldest first. */
  readonly #ended = new Map<string, Ended>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  /**
   * Ends a run, unless others have inherited it by then. Returns false for one that another version has written, and leaves it
   * alone.
   */
  async end(held: HeldRecord): Promise<boolean> {
    let isLost = false;
    while (!isLost) {
      const over = new AbortController();
      this.#underWay.add(over);
      try {
        const isKnown = await endLost(this.#context, held, over);
        if (isKnown && !over.signal.aborted) this.#remember(held);
        if (!over.signal.aborted) return isKnown;
      } catch (error) {
        if (!over.signal.aborted) throw error;
      } finally {
        isLost = !this.#underWay.delete(over);
      }
    }
    return true;
  }

  #remember(held: HeldRecord): void {
    const { clock, nodes, settings } = this.#context;
    // Alone, a store is not set back while its process lives.
    if (nodes.id === undefined) return;
    this.#ended.delete(held.record);
    this.#ended.set(held.record, { held, at: clock.now() });
    const oldest = clock.now() - settings.limits.runTtl;
    for (const [record, { at }] of this.#ended) {
      if (at > oldest && this.#ended.size <= most) break;
      this.#ended.delete(record);
    }
  }

  /** Called when the store was set back or lost: whatever it has forgotten is ended again. */
  async renew(): Promise<void> {
    const { clock, settings, flushing } = this.#context;
    // Nothing is published any more while this process closes: whoever is next ends them.
    if (flushing) return;
    this.#withdraw("The store was set back");
    const oldest = clock.now() - settings.limits.runTtl;
    const ended = [...this.#ended.values()].filter(({ at }) => at > oldest);
    this.#ended.clear();
    await inBatches(ended, async ({ held }) => {
      try {
        await this.end(held);
      } catch (error) {
        // The others must be ended all the same.
        this.#context.report(error, "log", `what was left of ${held.channel}`);
      }
    });
  }

  #withdraw(why: string): void {
    const withdrawn = new WithdrawnError(why);
    for (const over of this.#underWay) over.abort(withdrawn);
  }

  /** Called when others have inherited what this process has inherited. */
  clear(): void {
    this.#withdraw("Others have inherited the run");
    this.#underWay.clear();
    this.#ended.clear();
  }
}
