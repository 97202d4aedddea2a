import { expect, test } from "vitest";
import type { Membership, Position, Slice } from "../../src/model/log.ts";
import {
  type FakeClock,
  fakeClock,
  type NodeLog,
  type SharedLog,
  type SharedSnapshot,
  sharedLog,
} from "../../src/testing.ts";
import { type Random, random } from "../simulation/random.ts";

interface Node {
  readonly log: NodeLog;
  membership: Membership | undefined;
  /** Whether its last call of `join` has failed. */
  isWaiting: boolean;
  isKilled: boolean;
}

interface World {
  readonly random: Random;
  readonly clock: FakeClock;
  readonly shared: SharedLog;
  readonly nodes: Node[];
  readonly snapshots: SharedSnapshot[];
  /** What each position means. */
  readonly meanings: Map<string, string>;
  readonly faults: string[];
  count: number;
}

const ignore = (): void => {};

function open(world: World): void {
  const log = world.shared.open();
  const node: Node = { log, membership: undefined, isWaiting: false, isKilled: false };
  world.nodes.push(node);
  join(node);
}

/** Joins, and joins again whenever it is lost. A join whose answer was lost is tried again later. */
function join(node: Node): void {
  const lost = (): void => {
    node.membership = undefined;
    join(node);
  };
  const joining = node.log.join({ inherits() {}, lost });
  joining.then(
    (membership) => {
      node.membership = membership;
    },
    () => {
      node.isWaiting = true;
    },
  );
}

function heal(node: Node): void {
  node.log.heal();
  if (!node.isWaiting) return;
  node.isWaiting = false;
  join(node);
}

/** Notes what a position means, and whether it has meant something else. */
function means({ meanings, faults }: World, { epoch, offset }: Position, data: string): void {
  const place = `${offset} ${epoch}`;
  const before = meanings.get(place) ?? data;
  if (before !== data) faults.push(`${place} is ${data}, and was ${before}`);
  meanings.set(place, data);
}

function append(world: World, node: Node): void {
  const data = String(++world.count);
  const hold = node.membership !== undefined && world.random.chance(0.3) ? `record ${data}` : undefined;
  const once = world.random.chance(0.5) ? { by: `writer ${data}`, n: 1 } : undefined;
  const channel = world.random.pick(["a", "b"]);
  const call = async () => node.log.append(channel, data, { time: 0, hold, once });
  const made = (position: Position): void => means(world, position, data);
  // One with a number is sent again, as an engine would.
  call().then(made, (error: { lasting?: boolean }) => {
    if (once !== undefined && error.lasting === false) call().then(made, ignore);
  });
}

async function read(world: World, node: Node): Promise<void> {
  const { meanings, random: source } = world;
  const known = [...meanings.keys()];
  const [offset, epoch] = (known.length > 0 && source.chance(0.5) ? source.pick(known) : "0 ").split(" ");
  const after = { offset: Number(offset), epoch: epoch as string };
  const slice = (await node.log.read(source.pick(["a", "b"]), { after })) as Slice;
  const { entries, epoch: now, top, lineage = [] } = slice;
  for (const older of [{ epoch: now, offset: top }, ...lineage]) {
    for (const { offset: at, data } of entries)
      if (at <= older.offset) means(world, { offset: at, epoch: older.epoch }, data);
  }
}

async function act(world: World): Promise<void> {
  const { random: source, clock, shared, nodes, snapshots } = world;
  const node = source.pick(nodes);
  const roll = source.next();
  if (roll < 0.4) append(world, node);
  else if (roll < 0.6)
    void read(world, node).catch(({ name, message }: Error) => {
      if (name !== "LogError") world.faults.push(message);
    });
  else if (roll < 0.66) node.log.cut({ hang: source.chance(0.5) });
  else if (roll < 0.76) heal(node);
  else if (roll < 0.78) shared.pause();
  else if (roll < 0.84) shared.resume();
  else if (roll < 0.88) snapshots.push(shared.snapshot());
  else if (roll < 0.9 && snapshots.length > 0) shared.rollback(source.pick(snapshots));
  else if (roll < 0.905) shared.wipe();
  else if (roll < 0.93 && nodes.length < 5) open(world);
  else if (roll < 0.94) kill(node);
  await clock.advance(source.chance(0.2) ? source.below(9_000) : source.below(40));
}

function kill(node: Node): void {
  node.isKilled = true;
  node.log.kill();
}

/** Plays a schedule of everything that may happen to a shared log. */
async function play(seed: number): Promise<void> {
  const source = random(seed);
  const clock = fakeClock({ seed });
  const latency = source.chance(0.5) ? () => source.below(30) : undefined;
  const shared = sharedLog({ clock, latency });
  const world: World = {
    random: source,
    clock,
    shared,
    nodes: [],
    snapshots: [],
    meanings: new Map(),
    faults: [],
    count: 0,
  };
  open(world);
  open(world);
  for (let step = 0; step < 150; step++) await act(world);
  shared.resume();
  for (const node of world.nodes) heal(node);
  // Somebody is there to inherit, and everybody has had the time to be heard, or to be taken for gone.
  open(world);
  await clock.advance(45_000);
  expect(world.faults).toEqual([]);
  const living = world.nodes.filter(({ isKilled }) => !isKilled);
  const ids = living.flatMap(({ membership }) => membership?.id ?? []);
  expect([...shared.nodes].sort()).toEqual(ids.sort());
  for (const { node } of shared.inspect().records) expect(ids).toContain(node);
  const disposing = Promise.all(world.nodes.map(({ log }) => log[Symbol.asyncDispose]()));
  await clock.advance(1_000);
  await disposing;
  expect([shared.nodes, shared.inspect().watches, clock.armed]).toEqual([[], 0, 0]);
}

test.for(Array.from({ length: 100 }, (_, index) => index + 1))(
  "schedule %i: no position means two things, every record is held by a node that lives, and nothing is left",
  (seed) => play(seed),
);
