import { ExistsError, SealedError } from "../../model/errors.ts";
import { channelOfRun } from "../../model/run.ts";
import { tryAgain } from "../log/try-again.ts";
import type { RunChannel, RunContext, StartOptions } from "./run-channel.ts";
import { type StoredRun, storedIn } from "./run-state.ts";

/** A run, as its process can write it again. */
export interface RenewableRun {
  readonly id: string;
  readonly channel: RunChannel;
  /** What the channel says of it, if the store has lost nothing. */
  readonly stored: StoredRun;
  /** Writes its start again, with a new record. */
  begin(place: StartOptions["place"]): Promise<void>;
  /** Holds its record again. */
  hold(epoch: string): void;
  /** Writes its ending again. Undefined if its text was not kept. */
  end: (() => Promise<void>) | undefined;
}

/**
 * Looks for a run in a store that was set back or lost, and writes what is missing: its start while it works, and its
 * ending after that. `kept`: the log has what it must have. `replaced`: another run has its id now. `forgotten`: the text
 * of its ending is not known any more.
 */
export async function renewedRun(
  context: RunContext,
  run: RenewableRun,
): Promise<"kept" | "replaced" | "forgotten"> {
  const name = channelOfRun(run.id);
  const read = () => context.log.read(name, { limit: 0 });
  for (;;) {
    const { state, sealed, epoch, top } = await tryAgain(context, `what is left of ${name}`, read);
    if (state !== undefined && !isSame(storedIn(state), run.stored)) return "replaced";
    if (sealed === true) return "kept";
    const isWorking = run.stored.status === "working";
    if (!isWorking && run.end === undefined) return "forgotten";
    try {
      // So nobody else can begin a run with its id any more.
      if (state === undefined) await run.begin(top === 0 ? "first" : undefined);
      // Nothing is published any more while this process closes. Whoever inherits the run ends it.
      else if (isWorking || context.flushing) run.hold(epoch);
      if (!isWorking && !context.flushing) await run.end?.();
      return "kept";
    } catch (error) {
      // Somebody has begun or ended it meanwhile.
      if (!(error instanceof ExistsError || error instanceof SealedError)) throw error;
    }
  }
}

function isSame(one: StoredRun | undefined, other: StoredRun): boolean {
  return one?.run === other.run && one.started === other.started && one.node === other.node;
}
