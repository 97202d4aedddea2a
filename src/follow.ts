import { GapError } from "./errors.ts";
import type { Hub } from "./hub.ts";
import type { Entry, Position, Slice } from "./log.ts";
import type { Publication } from "./publication.ts";

/** Where following begins: after a position, or with what is published from the first `next()` on. */
export interface FollowOptions {
  /** The last position that is not wanted. Default: what is published from now on. */
  after?: Position | undefined;
  /** Ends the following when it aborts, with its reason. */
  signal?: AbortSignal | undefined;
}

/** Publications read at once. */
const batch = 256;

/** Yields a channel's publications; see `Notifier.follow`. */
export async function* followChannel(
  hub: Hub,
  channel: string,
  { after, signal }: FollowOptions,
): AsyncGenerator<Publication, void, void> {
  let position = after;
  for (;;) {
    const { slice, from } = await next(hub, channel, position, signal);
    position = from;
    for (const entry of slice.entries) {
      if (signal?.aborted) throw signal.reason;
      position = { offset: entry.offset, epoch: slice.epoch };
      yield publicationOf(channel, slice.epoch, entry);
    }
  }
}

/** Waits for what follows a position. The channel is only held meanwhile: whoever stops asking leaves nothing behind. */
async function next(
  hub: Hub,
  name: string,
  after: Position | undefined,
  signal: AbortSignal | undefined,
): Promise<{ slice: Slice; from: Position }> {
  const owner = `follow ${name}`;
  const channel = hub.channel(name);
  const release = channel.use();
  let woken = false;
  let wake = (): void => {};
  const unlisten = channel.onWake(() => {
    woken = true;
    wake();
  });
  try {
    await hub.scope.follow(owner, signal, after === undefined ? channel.current() : channel.opened());
    const from = after ?? { offset: channel.top, epoch: channel.epoch };
    for (;;) {
      woken = false;
      const slice = await hub.read(name, { after: from, limit: batch, signal });
      if (!slice.gapless) throw new GapError(name, from, { offset: slice.first - 1, epoch: slice.epoch });
      if (slice.entries.length > 0) return { slice, from };
      if (woken) continue;
      await hub.scope.wait<void>(owner, signal, ({ resolve }) => {
        wake = resolve;
        return () => {};
      });
    }
  } finally {
    unlisten();
    release();
  }
}

/** Reads an entry back for users of this process. */
export function publicationOf(
  channel: string,
  epoch: string,
  { offset, data, time, tags }: Entry,
): Publication {
  return { channel, offset, epoch, data: JSON.parse(data) as unknown, time, tags };
}
