import type { AppendOptions, HeldRecord, Membership, Position } from "../../src/model/log.ts";
import {
  type FakeClock,
  fakeClock,
  type NodeLog,
  type SharedLog,
  type SharedLogOptions,
  sharedLog,
} from "../../src/testing.ts";

export const lease = 15_000;

/** A shared log on a clock of its own. */
export interface Shared extends SharedLog {
  readonly clock: FakeClock;
}

export function start(options: SharedLogOptions = {}): Shared {
  const clock = fakeClock();
  const shared = sharedLog({ clock, ...options });
  return Object.defineProperties({ clock } as unknown as Shared, Object.getOwnPropertyDescriptors(shared));
}

/** A node that has joined, and what its member was told. */
export interface Node {
  readonly log: NodeLog;
  readonly membership: Required<Membership>;
  readonly id: string;
  /** The texts of the records that it has inherited. */
  readonly inherited: string[];
  readonly losses: Error[];
  readonly renewals: () => number;
}

export async function join(shared: Shared, log: NodeLog = shared.open()): Promise<Node> {
  const inherited: string[] = [];
  const losses: Error[] = [];
  let renewals = 0;
  const joining = log.join({
    inherits: (records) => void inherited.push(...records.map(({ record }) => record)),
    lost: (error) => void losses.push(error),
    renewed: () => void renewals++,
  });
  await shared.clock.settle();
  const membership = (await joining) as Required<Membership>;
  return { log, membership, id: membership.id, inherited, losses, renewals: () => renewals };
}

type Nodes = { 2: [Node, Node]; 3: [Node, Node, Node] };

export async function joinAll<Count extends keyof Nodes>(
  shared: Shared,
  count: Count,
): Promise<Nodes[Count]> {
  const nodes: Node[] = [];
  for (let n = 0; n < count; n++) nodes.push(await join(shared));
  return nodes as Nodes[Count];
}

export function append(
  { log }: Pick<Node, "log">,
  data: string,
  options: Partial<AppendOptions> = {},
): Promise<Position> {
  return log.append("a", data, { time: 0, ...options }) as Promise<Position>;
}

/** Holds a record from an append on. */
export async function hold(node: Pick<Node, "log">, record: string): Promise<HeldRecord> {
  return { record, channel: "a", position: await append(node, "1", { hold: record }) };
}

/** Returns who holds which record. */
export function holders(shared: SharedLog): Record<string, string | undefined> {
  return Object.fromEntries(shared.inspect().records.map(({ held, node }) => [held.record, node]));
}

/** Returns the payloads of the channel of these tests. */
export function payloads(shared: SharedLog): string[] {
  return shared.inspect().channels.a?.entries.map(({ data }) => data) ?? [];
}

/** Records how a promise settles. */
export function outcome(promise: Promise<unknown>): { now: unknown } {
  const state: { now: unknown } = { now: "pending" };
  promise.then(
    (value) => {
      state.now = value;
    },
    (error: unknown) => {
      state.now = error;
    },
  );
  return state;
}
