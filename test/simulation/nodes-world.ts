import type { Position } from "../../src/model/log.ts";
import type { Receipt } from "../../src/model/receipt.ts";
import type { Run } from "../../src/model/run.ts";
import { type FakeClock, fakeClock } from "../../src/testing/fake-clock.ts";
import { type SharedLog, type SharedSnapshot, sharedLog } from "../../src/testing/shared-log.ts";
import { NodesClient } from "./nodes-client.ts";
import { openNode, type Report, type SimNode } from "./nodes-node.ts";
import { Truth } from "./nodes-truth.ts";
import { type Random, random } from "./random.ts";

export const channels = ["a", "b"];
export const users = ["ann", "bob", "cleo"];

/** A span of time. */
export interface Span {
  readonly from: number;
  readonly until: number;
}

/** What may go wrong in a schedule. */
export const faults = ["kill", "close", "cut", "long", "pause", "rollback", "wipe"] as const;
export type Fault = (typeof faults)[number];

/** The choices of a schedule. */
export interface Shape {
  readonly nodes: number;
  readonly faults: ReadonlySet<Fault>;
  readonly lease: number;
  readonly grace: number;
  readonly runTtl: number;
  /** The maximum latency in milliseconds. 0: everything comes in microtasks. */
  readonly latency: number;
  readonly steps: number;
}

/** A publication whose promise was resolved by a node that lived. */
export interface Resolved {
  readonly channel: string;
  readonly position: Position;
  readonly data: string;
  readonly key: string | undefined;
  /** When it has to be delivered at the latest. Undefined if it was not confirmed. */
  readonly expires: number | undefined;
  readonly node: SimNode;
}

/** A run, and how it ended for whoever started it. */
export interface RunRecord {
  readonly id: string;
  /** Its name, which no other run has. */
  readonly name: string;
  readonly node: SimNode;
  readonly run: Run<unknown>;
  /** How often the task was called. */
  calls: number;
  outcome: { readonly type: string; readonly error?: unknown; readonly at: number } | undefined;
}

/** What was revoked: a user, or a subscription of one. */
export interface Revoked {
  readonly user: string;
  readonly channel: string | undefined;
  readonly step: number;
  readonly at: number;
  isDone: boolean;
}

/** One schedule: nodes over one store, their clients, and everything that happens to them. */
export interface NodesWorld {
  readonly random: Random;
  readonly shape: Shape;
  readonly clock: FakeClock;
  readonly shared: SharedLog;
  readonly truth: Truth;
  readonly nodes: SimNode[];
  readonly clients: NodesClient[];
  /** Publications that have not settled, and their nodes. */
  readonly sent: Map<string, SimNode>;
  /** Receipts that wait for a delivery, and their nodes. */
  readonly receipts: Map<Receipt, SimNode>;
  readonly resolved: Resolved[];
  /** By payload, when a confirmed publication has to be delivered at the latest. */
  readonly expiries: Map<string, number>;
  readonly reports: Report[];
  readonly runs: RunRecord[];
  readonly revoked: Revoked[];
  readonly snapshots: SharedSnapshot[];
  /** What ends each reader that follows a channel. */
  readonly followers: Set<AbortController>;
  /** Broken rules that were seen in a callback. */
  readonly notes: unknown[];
  readonly trace: string[];
  /** When the store was set back or wiped. */
  readonly losses: number[];
  /** When the store stood still. */
  readonly pauses: Span[];
  isPaused: boolean;
  step: number;
  count: number;
}

function shapeOf({ chance, pick, below }: Random, allowed: readonly Fault[]): Shape {
  const isCalm = chance(0.2);
  return {
    nodes: 2 + below(4),
    faults: new Set(isCalm ? [] : allowed.filter(() => chance(0.45))),
    lease: 2_000,
    grace: 1_500,
    runTtl: pick([3_000, 120_000]),
    latency: pick([0, 3, 40]),
    steps: 20 + below(50),
  };
}

export function createNodesWorld(seed: number, allowed: readonly Fault[]): NodesWorld {
  const source = random(seed);
  const shape = shapeOf(source, allowed);
  const clock = fakeClock({ seed });
  const { lease, latency: most } = shape;
  const latency = most === 0 ? undefined : () => source.below(most + 1);
  const kept = { size: Infinity, bytes: Infinity, ttl: Infinity, slack: 0 };
  const shared = sharedLog({ clock, lease, latency, ...kept });
  const world: NodesWorld = {
    ...{ random: source, shape, clock, shared, truth: new Truth(shared, clock) },
    ...{
      nodes: [],
      sent: new Map(),
      receipts: new Map(),
      resolved: [],
      expiries: new Map(),
      reports: [],
      runs: [],
      revoked: [],
      snapshots: [],
      notes: [],
    },
    clients: users.map((user, n) => new NodesClient(user, n === 0, () => clock.now())),
    trace: [JSON.stringify({ ...shape, faults: [...shape.faults] })],
    followers: new Set(),
    ...{ losses: [], pauses: [], isPaused: false, step: 0, count: 0 },
  };
  for (let n = 0; n < shape.nodes; n++) openNode(world);
  for (const client of world.clients)
    for (const channel of channels) if (source.chance(0.8)) client.fromStart(channel, 0);
  for (const client of world.clients) if (source.chance(0.7)) client.connect(source.pick(world.nodes), 0);
  return world;
}

/** The nodes that work and can be used. */
export function alive({ nodes }: NodesWorld): SimNode[] {
  return nodes.filter(({ state }) => state === "alive");
}
