import { SealedError } from "../../model/errors.ts";
import { channelOfRun } from "../../model/run.ts";
import { RunChannel, type RunContext } from "./run-channel.ts";
import { encode } from "./run-ending.ts";
import { stateOf, storedIn } from "./run-state.ts";

/**
 * Ends a run whose process is gone: it failed, because it was lost. `record` is what that process held for it. The seal
 * of the channel decides: if there is an ending already, nothing is written.
 */
export async function endLost(context: RunContext, channel: string, record: string): Promise<void> {
  const { state, sealed } = await context.log.read(channel, { limit: 0 });
  const stored = storedIn(state);
  if (stored !== undefined && sealed !== true) {
    const { run, announced } = stored;
    const error = { name: "Error", message: "The process that ran it is gone" };
    const data = encode({ type: "run.failed", run, error, reason: "lost" });
    const ended = context.clock.time();
    const runChannel = new RunChannel(context, run, announced);
    try {
      await runChannel.confirm(data, stateOf({ ...stored, status: "failed", ended }));
      await runChannel.announceEnding(data, `${channelOfRun(run)} is lost`);
    } catch (error) {
      if (!(error instanceof SealedError)) throw error;
    }
  }
  context.records.release(record);
}
