import { andThen, type MaybePromise } from "../../base/maybe-promise.ts";
import { ignorable } from "../../base/scope.ts";
import type { Position, Slice } from "../../model/log.ts";
import { channelOfRun } from "../../model/run.ts";
import { gapAfter } from "../core/publications.ts";
import { tryAgain } from "../log/try-again.ts";
import type { RunContext } from "./run-channel.ts";
import { resultIn } from "./run-ending.ts";
import { type StoredRun, storedIn } from "./run-state.ts";

/** An ending as the log has it. */
export interface StoredEnding {
  readonly data: string;
  readonly position: Position;
  /** What the channel says of its run. */
  readonly stored: StoredRun | undefined;
}

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
  return resultIn(id, (await awaitEnding(context, id, signal)).data);
}

/**
 * Waits until a run has an ending in the log, also while the log fails. Rejects with a GapError if the log does not keep
 * it, or has lost the run.
 */
export async function awaitEnding(
  context: RunContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<StoredEnding> {
  const channel = channelOfRun(id);
  const owner = `result of run:${id}`;
  let isWoken = false;
  let wake = (): void => {};
  const woken = (): void => {
    isWoken = true;
    wake();
  };
  const watching = tryAgain(context, owner, () => context.log.watch(channel, woken), signal);
  const watch = await context.scope.waitFor(owner, signal, watching).catch((error: unknown) => {
    // Nobody waits for it any more.
    ignorable(watching.then((late) => late[Symbol.asyncDispose]()));
    throw error;
  });
  try {
    for (;;) {
      isWoken = false;
      const read = () => context.log.read(channel, { last: 1, signal });
      const slice = await tryAgain(context, owner, read, signal);
      const [entry] = slice.entries;
      if (slice.sealed === true && entry !== undefined) {
        const position = { epoch: slice.epoch, offset: entry.offset };
        return { data: entry.data, position, stored: storedIn(slice.state) };
      }
      if (slice.sealed === true || slice.top === 0) throw gapAfter(channel, { offset: 0, epoch: "" }, slice);
      if (isWoken) continue;
      await context.scope.wait<void>(owner, signal, ({ resolve }) => {
        wake = resolve;
        return () => {};
      });
    }
  } finally {
    await watch[Symbol.asyncDispose]();
  }
}
