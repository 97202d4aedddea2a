import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import type { Slice } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import { gapAfter } from "../core/publications.ts";
import type { RunContext } from "./run-channel.ts";
import { resultIn } from "./run-ending.ts";
import { type StoredRun, storedIn } from "./run-state.ts";

/** Reads what the log says of a run. Undefined if it knows no such run, or keeps nothing of it any more. */
export function readStored(
  { log }: Pick<RunContext, "log">,
  id: string,
  signal?: AbortSignal,
): MaybePromise<StoredRun | undefined> {
  return andThen(log.read(channelOfRun(id), { limit: 0, signal }), storedOf);
}

function storedOf({ state, sealed, first, top }: Slice): StoredRun | undefined {
  return sealed === true && first > top ? undefined : storedIn(state);
}

/** Waits for the ending of a run in the log, and returns its result, or throws the error that the run ended with. */
export async function readResult(
  context: RunContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const channel = channelOfRun(id);
  let isWoken = false;
  let wake = (): void => {};
  const watch = await context.log.watch(channel, () => {
    isWoken = true;
    wake();
  });
  try {
    for (;;) {
      isWoken = false;
      const slice = await context.log.read(channel, { last: 1, signal });
      const [ending] = slice.entries;
      if (slice.sealed === true && ending !== undefined) return resultIn(id, ending.data);
      if (slice.sealed === true || slice.top === 0) throw gapAfter(channel, { offset: 0, epoch: "" }, slice);
      if (isWoken) continue;
      await context.scope.wait<void>(`result of run:${id}`, signal, ({ resolve }) => {
        wake = resolve;
        return () => {};
      });
    }
  } finally {
    await watch[Symbol.asyncDispose]();
  }
}
