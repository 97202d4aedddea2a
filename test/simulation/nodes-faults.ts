import { closeNode, killNode, openNode, type SimNode } from "./nodes-node.ts";
import { alive, type Fault, type NodesWorld } from "./nodes-world.ts";

/** The maximum number of nodes that a schedule starts. */
const mostNodes = 6;

/** Lets something go wrong, if this schedule has faults. A new node may come in every schedule. */
export async function createFault(world: NodesWorld): Promise<void> {
  const { random: source, shape } = world;
  const kind = source.pick([...shape.faults, "join" as const]);
  const nodes = alive(world);
  const node = nodes.length > 0 ? source.pick(nodes) : undefined;
  if (kind === "join") join(world);
  else if (kind === "pause") pause(world);
  else if (kind === "rollback") rollback(world);
  else if (kind === "wipe") wipe(world);
  else if (node !== undefined) faultOfNode(world, node, kind);
}

function faultOfNode(world: NodesWorld, node: SimNode, kind: Fault): void {
  const { random: source, clock, trace, shape } = world;
  if (kind === "kill") {
    trace.push(`${clock.now()} ${node.name} is killed`);
    killNode(world, node);
  } else if (kind === "close") {
    trace.push(`${clock.now()} ${node.name} closes`);
    closeNode(world, node);
  } else cut(world, node, kind === "long" ? source.below(3 * shape.lease) : source.below(shape.lease / 2));
}

function join(world: NodesWorld): void {
  if (world.nodes.length >= mostNodes || (alive(world).length > 1 && world.random.chance(0.7))) return;
  const { name } = openNode(world);
  world.trace.push(`${world.clock.now()} ${name} comes`);
}

function cut(world: NodesWorld, node: SimNode, ms: number): void {
  if (node.isCut) return;
  const { random: source, clock, trace } = world;
  const hang = source.chance(0.5);
  trace.push(`${clock.now()} ${node.name} is cut off for ${ms}${hang ? ", and hangs" : ""}`);
  node.cuts.push({ from: clock.now(), until: clock.now() + ms });
  node.isCut = true;
  node.log.cut({ hang });
  clock.timer(ms, () => {
    trace.push(`${clock.now()} ${node.name} is back`);
    node.isCut = false;
    node.log.heal();
  });
}

function pause(world: NodesWorld): void {
  if (world.isPaused) return;
  const { random: source, clock, trace, shape, shared, pauses } = world;
  const ms = source.below(2 * shape.lease);
  trace.push(`${clock.now()} the store stands still for ${ms}`);
  pauses.push({ from: clock.now(), until: clock.now() + ms });
  world.isPaused = true;
  shared.pause();
  clock.timer(ms, () => {
    trace.push(`${clock.now()} the store goes on`);
    world.isPaused = false;
    shared.resume();
  });
}

/** Sets the store back to where it was at an earlier call, or notes where it is. */
function rollback(world: NodesWorld): void {
  const { random: source, clock, trace, shared, snapshots, truth, losses } = world;
  const snapshot = snapshots.pop();
  if (snapshot === undefined || source.chance(0.4)) {
    if (snapshot !== undefined) snapshots.push(snapshot);
    snapshots.push(shared.snapshot());
    trace.push(`${clock.now()} a snapshot`);
    return;
  }
  truth.look();
  trace.push(`${clock.now()} the store is set back to ${snapshot.time - clock.time() + clock.now()}`);
  losses.push(clock.now());
  shared.rollback(snapshot);
  truth.look();
}

function wipe(world: NodesWorld): void {
  const { clock, trace, shared, snapshots, truth, losses } = world;
  truth.look();
  trace.push(`${clock.now()} the store loses everything`);
  losses.push(clock.now());
  snapshots.length = 0;
  shared.wipe();
}
