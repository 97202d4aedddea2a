import type { NodesClient } from "./nodes-client.ts";
import { createFault } from "./nodes-faults.ts";
import { publish } from "./nodes-publish.ts";
import { readSomething } from "./nodes-readers.ts";
import { cancelRun, startRun } from "./nodes-runs.ts";
import { alive, channels, type NodesWorld } from "./nodes-world.ts";

/** Does one thing, and then lets a little time pass, or only a turn, or less. */
export async function act(world: NodesWorld): Promise<void> {
  const { random: source, clock, clients, shape, truth } = world;
  world.step++;
  const roll = source.next();
  const client = source.pick(clients);
  if (roll < 0.28) publish(world);
  else if (roll < 0.36) startRun(world);
  else if (roll < 0.41) cancelRun(world);
  else if (roll < 0.53) connect(world, client);
  else if (roll < 0.68) actOf(world, client);
  else if (roll < 0.71) revoke(world);
  else if (roll < 0.76) readSomething(world);
  else if (roll < 0.88) await createFault(world);
  else await clock.advance(source.pick([20, 200, 800, 1_800]));
  const rest = source.next();
  if (rest < 0.3) for (let n = source.below(4); n > 0; n--) await Promise.resolve();
  else if (rest < 0.6) await clock.settle();
  else await clock.advance(source.below(60));
  for (const each of clients) {
    each.tend(world.step);
    // Whoever was disconnected for good comes back only by chance.
    if (each.closed !== undefined && each.closed !== 3503 && source.chance(0.3)) connect(world, each);
  }
  // The channel of a run is trimmed a time after its ending.
  if (shape.runTtl < 10_000 && clock.now() - truth.looked > 500) truth.look();
  if (world.notes.length > 0) throw world.notes[0];
}

/** A client loses its connection, acknowledges, or does not read for a time. */
function actOf({ random: source, clock, trace }: NodesWorld, client: NodesClient): void {
  const what = source.pick(["drop", "acknowledge", "acknowledge", "stall", "resume"] as const);
  if (client.isConnected) trace.push(`${clock.now()} ${client.user}: ${what}`);
  client[what]();
}

function connect(world: NodesWorld, client: NodesClient): void {
  const { random: source, clock, trace, step } = world;
  const nodes = alive(world);
  if (client.isConnected || nodes.length === 0) return;
  const node = source.pick(nodes);
  trace.push(`${clock.now()} ${client.user} connects to ${node.name}`);
  client.connect(node, step);
}

/** Closes the sessions of a user, or ends a subscription, from any node. */
function revoke(world: NodesWorld): void {
  const { random: source, clock, trace, step } = world;
  const nodes = alive(world);
  if (nodes.length === 0) return;
  const node = source.pick(nodes);
  const { user } = source.pick(world.clients);
  const channel = source.chance(0.5) ? source.pick(channels) : undefined;
  const revoked = { user, channel, step, at: clock.now(), isDone: false };
  world.revoked.push(revoked);
  trace.push(`${clock.now()} ${node.name} revokes ${user}${channel === undefined ? "" : ` in ${channel}`}`);
  const revoking =
    channel === undefined ? node.notifier.disconnect({ user }) : node.notifier.unsubscribe(user, channel);
  revoking.then(
    () => {
      if (node.state !== "dead") revoked.isDone = true;
    },
    (error: unknown) => {
      if (node.state === "alive") world.notes.push(error);
    },
  );
}
