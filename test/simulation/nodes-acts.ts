import { ClosedError, ExistsError } from "../../src/model/errors.ts";
import { createFault } from "./nodes-faults.ts";
import { readSomething } from "./nodes-readers.ts";
import { cancelRun, startRun } from "./nodes-runs.ts";
import { alive, channels, known, type NodesWorld } from "./nodes-world.ts";

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
  else if (roll < 0.57) client.drop();
  else if (roll < 0.65) client.acknowledge();
  else if (roll < 0.68) source.chance(0.5) ? client.stall() : client.resume();
  else if (roll < 0.71) revoke(world);
  else if (roll < 0.76) readSomething(world);
  else if (roll < 0.88) await createFault(world);
  else await clock.advance(source.pick([20, 200, 800, 1_800]));
  const rest = source.next();
  if (rest < 0.3) for (let n = source.below(4); n > 0; n--) await Promise.resolve();
  else if (rest < 0.6) await clock.settle();
  else await clock.advance(source.below(60));
  for (const each of clients) each.tend(world.step);
  // The channel of a run is trimmed a time after its ending.
  if (shape.runTtl < 10_000 && clock.now() - truth.looked > 500) truth.look();
  if (world.notes.length > 0) throw world.notes[0];
}

function publish(world: NodesWorld): void {
  const { random: source, clock, resolved, notes, trace } = world;
  const nodes = alive(world);
  if (nodes.length === 0) return;
  const node = source.pick(nodes);
  const channel = source.pick(channels);
  const key = source.chance(0.25) ? `key ${source.below(4)}` : undefined;
  const confirm = source.chance(0.35);
  const ttl = source.pick([700, 2_500, 4_000]);
  const data = { n: ++world.count, ...(key !== undefined && { key }) };
  const text = JSON.stringify(data);
  trace.push(`${clock.now()} ${node.name} publishes ${text} to ${channel}${confirm ? ` for ${ttl}` : ""}`);
  const began = clock.now();
  node.notifier.publish(channel, data, { idempotencyKey: key, confirm, ttl }).then(
    ({ position }) => {
      if (node.state === "dead") return;
      const expires = confirm ? began + ttl : undefined;
      trace.push(`${clock.now()} ${node.name} has ${data.n} at ${position.offset} of ${channel}`);
      resolved.push({ channel, position, data: text, key, expires, node });
    },
    (error: unknown) => {
      if (node.state !== "alive" || error instanceof ClosedError) return;
      if (known.refusedWhileLost && node.cuts.length > 0 && String(error).includes("code of its log")) return;
      notes.push(new Error(`${node.name} could not publish ${text}: ${error}`, { cause: error }));
    },
  );
}

function connect(world: NodesWorld, client: NodesWorld["clients"][number]): void {
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

/** Returns whether an error may end a run or a read although nobody has made a mistake. */
export function isExpected(error: unknown): boolean {
  return error instanceof ClosedError || error instanceof ExistsError;
}
