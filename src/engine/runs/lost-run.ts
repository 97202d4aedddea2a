import { SealedError } from "../../model/errors.ts";
import type { HeldRecord } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import { isOfEpoch } from "../core/publications.ts";
import { tryAgain } from "../log/try-again.ts";
import { RunChannel, type RunContext } from "./run-channel.ts";
import { encode } from "./run-ending.ts";
import { type StoredRun, stateOf, storedIn } from "./run-state.ts";

/**
 * Ends a run whose process is gone: it failed, because it was lost. `held` is what that process held for it. The seal of
 * the channel decides: if there is an ending already, nothing is written. While the log fails, this is tried again.
 *
 * Returns false for a run that another version has written, and leaves it alone. If this process closes before the ending
 * is announced, the record stays for the next heir. Aborting `over` withdraws what is not in the log yet.
 */
export async function endLost(
  context: RunContext,
  { channel, record, position }: HeldRecord,
  over: AbortController,
): Promise<boolean> {
  // Only then it is known whether this process is one of several.
  while (context.joining !== undefined) await context.joining;
  const read = () => context.log.read(channel, { limit: 0 });
  const owner = `what was left of ${channel}`;
  const slice = await tryAgain(context, owner, read);
  const { state, sealed } = slice;
  const stored = storedIn(state);
  if (state !== undefined && stored === undefined) return false;
  // Another run may have begun with the same id since.
  if (stored !== undefined && sealed !== true && isOfEpoch(position, slice)) {
    const { run, announced, started } = stored;
    const error = { name: "Error", message: "The process that ran it is gone" };
    const data = encode({ type: "run.failed", run, error, reason: "lost" });
    const ended = context.clock.time();
    const runChannel = new RunChannel(context, run, announced, over);
    const isOfNodes = context.nodes.id !== undefined;
    // The store may lose it, and another run begin with its id, before the ending is there.
    if (isOfNodes) runChannel.isThere(slice.epoch);
    try {
      await runChannel.confirm(data, stateOf({ ...stored, status: "failed", ended }));
      if (!(await runChannel.announceEnding(data, `${channelOfRun(run)} is lost`, { isOfNodes, started })))
        return true;
    } catch (error) {
      if (!(error instanceof SealedError)) throw error;
    }
  }
  const isEnded = stored !== undefined && sealed === true && isOfEpoch(position, slice);
  if (isEnded && !(await announceAgain(context, stored, over))) return true;
  context.records.release(record);
  return true;
}

/**
 * Announces an ending: the node that wrote it is gone, maybe before it had announced it. Alone, that is one commit. Returns
 * false if this process closes before.
 */
async function announceAgain(
  context: RunContext,
  { run, announced, started }: StoredRun,
  over: AbortController,
): Promise<boolean> {
  if (announced === undefined || context.nodes.id === undefined) return true;
  const channel = channelOfRun(run);
  const read = () => context.log.read(channel, { last: 1 });
  const { entries } = await tryAgain(context, `the ending of ${channel}`, read);
  const [ending] = entries;
  if (ending === undefined) return true;
  const runChannel = new RunChannel(context, run, announced, over);
  return runChannel.announceEnding(ending.data, `${channel} has ended`, { isOfNodes: true, started });
}
