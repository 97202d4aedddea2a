import type { Position, Slice } from "../../model/log.ts";
import type { Publication } from "../../model/publication.ts";
import { gapAfter, publicationOf } from "../core/publications.ts";
import type { Hub } from "./hub.ts";

/** Options of `follow()`. */
export interface FollowOptions {
  /** Yield only what follows this position. Default: what is published from the first `next()` on. */
  after?: Position | undefined;
  /** Ends the iteration when it aborts, with its reason. */
  signal?: AbortSignal | undefined;
}

/** The maximum number of publications in one read of the log. */
const batch = 256;

/** The state of an iteration: whether it is over, and how to wake it. */
interface Following {
  isOver: boolean;
  /** Ends the wait for the next publication. */
  wake(): void;
}

/** Yields a channel's publications; see `Notifier.follow`. */
export function followChannel(
  hub: Hub,
  channel: string,
  options: FollowOptions,
): AsyncGenerator<Publication, void, void> {
  const following: Following = { isOver: false, wake() {} };
  const publications = follow(hub, channel, options, following);
  const end = publications.return.bind(publications);
  // A generator's own `return` waits for the `next` in progress, which may take forever.
  publications.return = (value) => {
    following.isOver = true;
    following.wake();
    return end(value);
  };
  return publications;
}

async function* follow(
  hub: Hub,
  channel: string,
  { after, signal }: FollowOptions,
  following: Following,
): AsyncGenerator<Publication, void, void> {
  let position = after;
  for (;;) {
    const found = await next(hub, channel, { after: position, signal }, following);
    if (found === undefined) return;
    const { slice, from } = found;
    position = from;
    for (const entry of slice.entries) {
      if (signal?.aborted) throw signal.reason;
      position = { offset: entry.offset, epoch: slice.epoch };
      yield publicationOf(channel, slice.epoch, entry);
    }
  }
}

/**
 * Waits for what follows a position. Returns undefined if the iteration is over. The channel is kept open only during
 * the call, so an iteration that is abandoned leaves nothing behind.
 */
async function next(
  hub: Hub,
  name: string,
  { after, signal }: FollowOptions,
  following: Following,
): Promise<{ slice: Slice; from: Position } | undefined> {
  const owner = `follow ${name}`;
  const channel = hub.channel(name);
  const release = channel.use();
  let woken = false;
  following.wake = () => {};
  const unlisten = channel.onWake(() => {
    woken = true;
    following.wake();
  });
  try {
    const ready = after === undefined ? channel.current() : channel.opened();
    await hub.scope.waitFor(owner, signal, Promise.resolve(ready));
    const from = after ?? { offset: channel.top, epoch: channel.epoch };
    while (!following.isOver) {
      woken = false;
      const slice = await hub.log.read(name, { after: from, limit: batch, signal });
      if (!slice.gapless) throw gapAfter(name, from, slice);
      if (following.isOver) return undefined;
      if (slice.entries.length > 0) return { slice, from };
      if (woken) continue;
      await hub.scope.wait<void>(owner, signal, ({ resolve }) => {
        following.wake = resolve;
        return () => {};
      });
    }
    return undefined;
  } finally {
    unlisten();
    release();
  }
}
