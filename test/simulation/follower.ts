import { spiedSignal } from "./signal.ts";
import { type Follower, isOfLog, livedSince, type World } from "./world.ts";

/** Follows a channel in this process, and checks the order. The returned function stops it. */
export function followChannel(world: World, channel: string, fromStart: boolean): () => void {
  const { notifier, signals, followers, notes } = world;
  const before = world.lives.length;
  const signal = spiedSignal();
  signals.push(signal);
  const after = fromStart ? { offset: 0, epoch: "" } : undefined;
  const follower: Follower = { channel, last: after?.offset };
  followers.add(follower);
  const isLost = (error: Error): boolean => error.name === "GapError" && !isSafe(world, channel);
  (async () => {
    for await (const { offset, data } of notifier.follow(channel, { after, signal: signal.signal })) {
      const { last = offset - 1 } = follower;
      if (offset !== last + 1) throw new Error(`follow ${channel}: ${offset} came after ${last}`);
      follower.last = offset;
      const { life = before } = data as { life?: number };
      const least = livedSince(world, before);
      if (fromStart && life < least) throw new Error(`follow ${channel}: got run ${life}, not ${least}`);
    }
  })()
    .catch((error: Error) => {
      const isExpected = error === signal.signal.reason || error.name === "ClosedError" || isOfLog(error);
      // A follower that begins at the start may come too late for it.
      if (!isExpected && !isLost(error) && !(error.name === "GapError" && follower.last === 0))
        notes.push(error);
    })
    .finally(() => followers.delete(follower));
  return () => signal.abort("enough");
}

/** Returns whether followers of a channel that read at once must never get a gap. */
function isSafe({ shape, isWiped }: World, channel: string): boolean {
  return shape.isPrompt && !isWiped && !channel.startsWith("run:");
}
