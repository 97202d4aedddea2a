import type { Pending } from "../../base/scope.ts";
import type { Queue } from "./append-queue.ts";

/** Returns what is done to append to a channel, in words. Messages between nodes have channels that begin with NUL. */
export function appendingTo(channel: string): string {
  return channel.startsWith("\0") ? `send messages to ${channel.slice(1)}` : `publish ${channel}`;
}

/** Returns what waits in queues and for a commit, with the age of the oldest in each. */
export function pendingIn(
  queues: Iterable<Queue>,
  commits: { readonly size: number; readonly since: number | undefined } | undefined,
  now: number,
): Pending[] {
  const waiting = Array.from(queues, ({ channel, first, size }): Pending => {
    const behind = size > 1 ? ` and ${size - 1} behind it` : "";
    return { kind: "wait", owner: `${appendingTo(channel)}${behind}`, age: now - first.since };
  });
  const { size = 0, since = now } = commits ?? {};
  if (size > 0) waiting.push({ kind: "wait", owner: `commit ${size} publications`, age: now - since });
  return waiting;
}
