import type { Position } from "../../src/model/log.ts";
import type { SimNode } from "./nodes-node.ts";
import { alive, channels, type NodesWorld } from "./nodes-world.ts";

/** Errors with which a reader may end. */
const expected = new Set(["LogError", "ClosedError", "GapError", "RunError", "CancelError", "ExistsError"]);

/** Reads on some node: follows a channel, reads its history, asks who is there, or waits for a result. */
export function readSomething(world: NodesWorld): void {
  const { random: source, clock, trace, notes, runs } = world;
  const nodes = alive(world);
  if (nodes.length === 0) return;
  const node = source.pick(nodes);
  const channel = source.pick(channels);
  const what = source.pick(["follow", "history", "presence", "result"] as const);
  trace.push(`${clock.now()} ${node.name}: ${what}`);
  const reading = { follow, history, presence, result }[what](world, node, channel);
  reading.catch((error: Error) => {
    const isGap = error.name === "GapError" && what !== "result" && world.losses.length === 0;
    const isAway = error.name === "LogError" && node.cuts.length === 0;
    if (node.state === "alive" && (isGap || isAway || !expected.has(error.name))) notes.push(error);
  });

  async function result(): Promise<void> {
    if (runs.length === 0) return;
    const found = await node.notifier.runs.find(source.pick(runs).id);
    await found?.result();
  }
}

async function follow({ truth, followers }: NodesWorld, node: SimNode, channel: string): Promise<void> {
  let last = 0;
  const stop = new AbortController();
  followers.add(stop);
  try {
    const after: Position = { offset: 0, epoch: "" };
    for await (const { offset, epoch, data } of node.notifier.follow(channel, {
      after,
      signal: stop.signal,
    })) {
      if (offset !== last + 1)
        throw new TypeError(`${node.name} follows ${channel}: ${offset} after ${last}`);
      last = offset;
      truth.claims.push({
        who: `who follows on ${node.name}`,
        channel,
        epoch,
        offset,
        data: JSON.stringify(data),
      });
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    followers.delete(stop);
  }
}

async function history({ truth }: NodesWorld, { notifier, name }: SimNode, channel: string): Promise<void> {
  const { epoch, offset: top, publications } = await notifier.history(channel);
  if (publications.length !== top)
    throw new TypeError(`${name} reads ${publications.length} of ${top} in ${channel}`);
  for (const { offset, data } of publications)
    truth.claims.push({ who: `history on ${name}`, channel, epoch, offset, data: JSON.stringify(data) });
}

async function presence(_: NodesWorld, { notifier }: SimNode, channel: string): Promise<void> {
  await notifier.presence(channel);
}
