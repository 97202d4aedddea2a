import type { Scope } from "../../base/scope.ts";
import type { AppendOptions, Position } from "../../model/log.ts";
import type { Queue, Waiting } from "./append-queue.ts";
import type { LogAppender } from "./log-appender.ts";

/** The most publications, and bytes, that are appended together. A store serves nobody else meanwhile. */
const most = { count: 64, bytes: 65_536 };

/**
 * Returns the first publication of a queue, and those behind it that can be appended together with it. `hasRoom` is called
 * for each of those, and takes its room in this turn.
 */
export function together(queue: Queue, hasRoom: (item: Waiting) => boolean): Waiting[] {
  const { first } = queue;
  const items = [first];
  let { bytes } = first;
  for (const item of queue.behind()) {
    bytes += item.bytes;
    if (items.length === most.count || bytes > most.bytes || !goesWith(first, item) || !hasRoom(item)) break;
    items.push(item);
  }
  return items;
}

/** Appends publications of a channel together, and resolves with the position of the last. */
export function appendTogether(
  appender: LogAppender,
  channel: string,
  items: readonly Waiting[],
  scope: Scope,
): Promise<Position> {
  const { options, steps } = items[0] as Waiting;
  const entries = items.map(({ data, options: { time, tags } }) => ({ data, time, tags }));
  const all = { retention: options.retention, signal: allStopped(items, scope) };
  return appender.appendAll(channel, entries, all, steps?.current);
}

/**
 * Rejects the promise of each publisher that stops waiting. Nothing is taken out of the append, because it may have been made
 * already. Returns a signal that aborts when all have stopped.
 */
function allStopped(items: readonly Waiting[], scope: Scope): AbortSignal {
  const stopped = new AbortController();
  let waiting = items.length;
  for (const item of items) {
    item.unlink?.();
    item.unlink = scope.link(item.options.signal, (reason) => {
      item.reject(reason);
      waiting--;
      if (waiting === 0) stopped.abort(reason);
    });
  }
  return stopped.signal;
}

/**
 * Whether two publications of a channel can be appended together. Those that are answered each for itself cannot: the log
 * may know their key, refuse their place, or hold a record for them.
 */
function goesWith(one: Waiting, other: Waiting): boolean {
  const isAlike = one.steps?.current === other.steps?.current && isSame(one.options, other.options);
  return isAlike && isPlain(one) && isPlain(other);
}

function isPlain({ options: { key, place, state, hold, origin }, steps }: Waiting): boolean {
  const special = key ?? place ?? state ?? hold ?? origin ?? steps?.admit;
  return special === undefined;
}

/** Whether two appends have the same retention. */
function isSame({ retention: one }: AppendOptions, { retention: other }: AppendOptions): boolean {
  if (one === other || one === undefined || other === undefined) return one === other;
  const { size, bytes, ttl, slack } = one;
  return size === other.size && bytes === other.bytes && ttl === other.ttl && slack === other.slack;
}
