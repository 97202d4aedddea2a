import { assertQuiet } from "../../src/testing/assert-quiet.ts";
import { closeNode, openNode } from "./nodes-node.ts";
import { alive, type NodesWorld } from "./nodes-world.ts";

/** The maximum `ttl` of a publication. */
export const longestTtl = 4_000;

/** Lets everything come right: whoever can comes back, and the time of everything is over. */
export async function comeRight(world: NodesWorld): Promise<void> {
  const { clock, shape, clients, trace, snapshots } = world;
  trace.push(`${clock.now()} everything comes right`);
  snapshots.length = 0;
  // Whatever is cut off or stands still is so for no longer than this.
  if (shape.faults.size > 0) await pass(world, 3 * shape.lease);
  if (alive(world).length === 0) openNode(world);
  for (const client of clients) client.resume();
  await pass(world, 2 * shape.lease + longestTtl + 6_000);
  for (const client of clients) client.acknowledge();
  await clock.advance(1_000);
  for (const client of clients) client.tend(world.step);
}

/** Lets time pass while clients come back as they should. */
async function pass(world: NodesWorld, ms: number): Promise<void> {
  const { clock, clients, random: source, notes, shape, truth } = world;
  for (let left = ms; left > 0; left -= 1_000) {
    await clock.advance(1_000);
    world.step++;
    if (shape.runTtl < 10_000) truth.look();
    const nodes = alive(world);
    for (const client of clients) {
      client.tend(world.step);
      // Whoever was disconnected for good stays away.
      if (!client.isConnected && nodes.length > 0 && client.closed !== 3503)
        client.connect(source.pick(nodes), world.step);
      if (source.chance(0.5)) client.acknowledge();
    }
    if (notes.length > 0) throw notes[0];
  }
}

/** Closes all nodes that are left. Nothing may be left of any. */
export async function closeAll(world: NodesWorld): Promise<void> {
  const { clock, clients, shape, nodes, followers, notes, trace } = world;
  trace.push(`${clock.now()} all close`);
  for (const stop of followers) stop.abort();
  for (const node of alive(world)) closeNode(world, node);
  await clock.advance(shape.grace + 1);
  for (const client of clients) client.read();
  for (const { name, state, notifier } of nodes) {
    if (state === "closing") throw new Error(`${name} does not close`);
    assertQuiet(notifier);
  }
  if (notes.length > 0) throw notes[0];
  if (clock.armed > 0) throw new Error(`${clock.armed} timers are armed in the end`);
  if (followers.size > 0) throw new Error(`${followers.size} still follow in the end`);
}

/** Before all close: everybody has everything, and nothing is held by the dead. */
export function checkLive(world: NodesWorld): void {
  const { truth, clients, shared } = world;
  truth.look();
  for (const { user, wanted, live, isConnected } of clients) {
    if (!isConnected) continue;
    for (const [channel, position] of wanted) {
      const now = truth.now[channel];
      if (!live.has(channel)) throw new Error(`${user} does not come back to ${channel}`);
      if (now === undefined || position === undefined) continue;
      if (position.offset !== now.top || position.epoch !== now.epoch)
        throw new Error(
          `${user} is at ${position.offset} of ${channel} in ${position.epoch}, which has ${now.top} in ${now.epoch}`,
        );
    }
  }
  for (const [data, { name, state }] of world.sent)
    if (state === "alive") throw new Error(`${name} never published ${data}`);
  const ids = new Set(shared.nodes);
  for (const { held, node } of shared.inspect().records)
    if (node === undefined || !ids.has(node))
      throw new Error(`The dead hold ${held.record} of ${held.channel}`);
  if (ids.size !== alive(world).length)
    throw new Error(`The store knows ${ids.size} nodes, and ${alive(world).length} live`);
  checkRevoked(world);
}

/** What was revoked is gone everywhere, unless it came back after that. */
function checkRevoked({ revoked, clients, losses }: NodesWorld): void {
  for (const { user, channel, step, at, isDone } of revoked) {
    // The store may have lost the message before everybody had read it.
    if (!isDone || losses.some((loss) => loss >= at)) continue;
    for (const client of clients) {
      if (client.user !== user || client.node === undefined) continue;
      if (channel === undefined && client.since < step)
        throw new Error(`${user} is connected to ${client.node.name} since before being disconnected`);
      if (channel === undefined || !client.live.has(channel)) continue;
      // A subscription that was on its way at that moment may have begun after it.
      const begun = client.begunAt.get(channel) ?? { step: 0, time: 0 };
      if (begun.step < step && begun.time < at)
        throw new Error(`${user} is subscribed to ${channel} since before that was ended`);
    }
  }
}
