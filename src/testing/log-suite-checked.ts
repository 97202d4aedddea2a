import type { Log, Membership, Position, ReadOptions, Slice } from "../model/log.ts";
import { offsetsOf, shorten, show, type TestedLog } from "./log-suite-tools.ts";

/**
 * Wraps a log so that a test fails at every read of an impossible slice. It also fails when an append returns a promise
 * where it must not: in a log that has `commit`, or where an earlier one was synchronous. The other way round, too.
 */
export function checked(log: Log): TestedLog {
  const { appendAll, keeps, join } = log;
  const demandSame = sameKind();
  const commit = log.commit && commits(log);
  const memberships: Membership[] = [];
  return {
    async append(...args) {
      const answer = log.append(...args);
      if (commit !== undefined) demandPosition(answer);
      demandSame(answer);
      await commit?.();
      return answer;
    },
    ...(appendAll && { appendAll: async (...args) => appendAll.apply(log, args) }),
    async read(channel, options) {
      const slice = await log.read(channel, options);
      checkSlice(slice, options);
      return slice;
    },
    watch: async (...args) => log.watch(...args),
    ...(keeps && { keeps: (channel) => keeps.call(log, channel) }),
    ...(commit && { commit }),
    ...(join && {
      async join(...args) {
        const membership = await join.apply(log, args);
        memberships.push(membership);
        return membership;
      },
    }),
    raw: log,
    async [Symbol.asyncDispose]() {
      for (const membership of memberships.splice(0)) await membership[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
    },
  };
}

/** Returns a check that all appends return a promise, or none does. */
function sameKind(): (answer: Position | Promise<Position>) => void {
  let isAtOnce: boolean | undefined;
  return (answer) => {
    const isNow = !(answer instanceof Promise);
    isAtOnce ??= isNow;
    if (isNow === isAtOnce) return;
    abandon(answer);
    throw new Error(
      "append() returned a promise in one call and a position in another: it must always do the same",
    );
  };
}

/** Returns a position that a log with `commit` has returned, and throws for a promise. */
export function demandPosition(answer: Position | Promise<Position>): Position {
  if (!(answer instanceof Promise)) return answer;
  abandon(answer);
  throw new Error("append() returned a promise: a log that has commit() must return the position");
}

/** Drops an answer of a log that fails its test anyway. A rejection must not be reported as unhandled. */
function abandon(answer: Position | Promise<Position>): void {
  if (answer instanceof Promise) answer.catch(() => {});
}

/** Returns a commit that calls in one go share. It waits for the commit before it. */
function commits(log: Log): () => Promise<void> {
  let before = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    if (next !== undefined) return next;
    next = before.then(() => {
      next = undefined;
      return log.commit?.();
    });
    // The test that appended gets the failure. The next commit tries again.
    before = next.catch(() => {});
    return next;
  };
}

function checkSlice(slice: Slice, { after, limit = Infinity, last = Infinity }: ReadOptions): void {
  const { epoch, top, first, gapless, lineage = [] } = slice;
  const offsets = offsetsOf(slice.entries);
  const found = { after, limit, last, epoch, top, first, gapless, lineage, offsets };
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`Expected ${what}, not ${shorten(show(found))}`);
  };
  demand(first >= 1 && first <= top + 1, "first to be from 1 to top + 1");
  demand(gapless || offsets.length === 0, "no entries after a gap");
  const start = Math.max(after === undefined ? first : after.offset + 1, top + 1 - last);
  demand(
    offsets.every((offset, index) => offset === start + index),
    "entries one after the other, from the position on",
  );
  demand((offsets.at(-1) ?? 0) <= top, "no entry beyond top");
  const rest = gapless ? top + 1 - start : 0;
  demand(offsets.length <= limit, "at most as many entries as the limit says");
  demand(
    limit < rest ? limit === 0 || offsets.length > 0 : offsets.length === rest,
    "all entries up to top, or the limit",
  );
  const epochs = [epoch, ...lineage.map((older) => older.epoch)];
  demand(new Set(epochs).size === epochs.length && !epochs.includes(""), "each epoch once in a lineage");
  const ends = [top, ...offsetsOf(lineage)];
  demand(
    ends.every((end, index) => end >= 0 && end <= (ends[index - 1] ?? end)),
    "no older epoch that was continued after a newer one",
  );
}
