import { ExistsError, LogError, SealedError } from "../../model/errors.ts";
import { channelOfRun } from "../../model/run.ts";
import { tryAgain } from "../log/try-again.ts";
import type { RunChannel, RunContext, StartOptions } from "./run-channel.ts";
import { type StoredRun, storedIn } from "./run-state.ts";

/** A run of this process. */
export interface RenewableRun {
  readonly id: string;
  readonly label: string;
  readonly status: StoredRun["status"];
  /** Settles once the run has ended, and its ending is written or given up. */
  ended(): Promise<void>;
  /** Called if another run has its id now. */
  lose(cause: Error): void;
}

/** How a run is written again. */
export interface Renewing {
  readonly channel: RunChannel;
  /** Returns what the channel says of it, if the store has lost nothing. */
  stored(): StoredRun;
  /** Whether others end it, or another run has its id. */
  isForeign(): boolean;
  /** Whether its ending is written, or given up. */
  isOver(): boolean;
  /** Returns its ending, if it is over and the text was kept. */
  endingOf(): string | undefined;
  /** Writes its start, with a new record, ahead of what waits. */
  begin(place: StartOptions["place"]): Promise<void>;
  /** Holds its record again. */
  hold(): void;
  /** Called if its ending is left to whoever inherits its record. */
  leave(): void;
  /** Releases its record: its ending is in the log. */
  release(): void;
  /** Writes its ending again. */
  end(ending: string): Promise<void>;
}

/**
 * Looks for a run in a store that was set back or lost, and writes what is missing: its start while it works, and its
 * ending after that. Returns whether its ending is missing, and not known any more.
 */
export async function renewRun(context: RunContext, run: RenewableRun, renewing: Renewing): Promise<boolean> {
  if (!renewing.isOver()) {
    const isEnding = run.status !== "working";
    await renewOnce(context, run, renewing);
    if (!isEnding) return false;
    // An ending that is under way follows the start. It may have been written before the store lost it.
    await run.ended();
  }
  return renewOnce(context, run, renewing);
}

async function renewOnce(context: RunContext, run: RenewableRun, renewing: Renewing): Promise<boolean> {
  const isOver = renewing.isOver();
  const ending = isOver ? renewing.endingOf() : undefined;
  const name = channelOfRun(run.id);
  const read = () => context.log.read(name, { limit: 0 });
  for (;;) {
    if (renewing.isForeign()) return false;
    const { state, sealed, epoch, top } = await tryAgain(context, `what is left of ${name}`, read);
    // The log may have failed for so long that others have ended the run.
    if (renewing.isForeign()) return false;
    if (state !== undefined && !isSame(storedIn(state), renewing.stored())) {
      run.lose(new LogError(`Cannot go on with ${run.label}: its id is in use`));
      return false;
    }
    if (sealed === true) {
      if (isOver) renewing.release();
      // Others have ended it: what it still writes is refused, although the store has lost what that follows.
      else renewing.channel.isThere(epoch);
      return false;
    }
    if (isOver && ending === undefined) return true;
    try {
      // So nobody else can begin a run with its id any more.
      if (state === undefined) await renewing.begin(top === 0 ? "first" : undefined);
      else {
        // The answer to an earlier attempt may have been lost.
        renewing.channel.isThere(epoch);
        // It may have been released for an ending that is lost.
        renewing.hold();
      }
      // Nothing is published any more while this process closes. Whoever inherits the run ends it.
      if (context.flushing) renewing.leave();
      else if (ending !== undefined) {
        await renewing.end(ending);
        renewing.release();
      }
      return false;
    } catch (error) {
      // Somebody has begun or ended it meanwhile.
      if (!renewing.isForeign() && !(error instanceof ExistsError || error instanceof SealedError))
        throw error;
    }
  }
}

function isSame(one: StoredRun | undefined, other: StoredRun): boolean {
  return one?.run === other.run && one.started === other.started && one.node === other.node;
}
