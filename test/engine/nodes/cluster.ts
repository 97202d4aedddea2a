import type { Notifier, Peer } from "tocsin";
import { assertQuiet, type FakeClock, fakeClock, type Pipe, pipe, sharedLog } from "tocsin/testing";
import { test as base, expect } from "vitest";
import { aborted, type Core, createCore, type StartOptions } from "../../support/core.ts";
import { anybody } from "../../support/wire.ts";

type Shared = ReturnType<typeof sharedLog>;

/** A notifier on a node of its own. */
export interface ClusterNode extends Core {
  readonly log: ReturnType<Shared["open"]>;
  /** What `onUndelivered` was called with: payload and reason. */
  readonly undelivered: string[];
}

/** Several notifiers over one log, on one clock. */
export interface Cluster {
  readonly clock: FakeClock;
  readonly shared: Shared;
  readonly nodes: ClusterNode[];
  /** Adds a node, which joins before this resolves. */
  add(options?: StartOptions): Promise<ClusterNode>;
}

/** What `open` takes: options of the log, and of all notifiers. */
export interface ClusterOptions {
  readonly log?: Parameters<typeof sharedLog>[0];
  readonly notifier?: StartOptions;
}

export type Pair = [ClusterNode, ClusterNode];
export type Three = [ClusterNode, ClusterNode, ClusterNode];

function createCluster({ log: options, notifier = {} }: ClusterOptions): Cluster {
  const clock = fakeClock();
  const shared = sharedLog({ clock, ...options });
  const nodes: ClusterNode[] = [];
  async function add(more?: StartOptions): Promise<ClusterNode> {
    const log = shared.open();
    const undelivered: string[] = [];
    const onUndelivered: StartOptions["onUndelivered"] = ({ data }, reason) => {
      undelivered.push(`${typeof data === "string" ? data : JSON.stringify(data)} ${reason}`);
    };
    const node = { ...createCore({ onUndelivered, ...notifier, ...more, clock, log }), log, undelivered };
    nodes.push(node);
    // The first use joins.
    void node.notifier.closing;
    await clock.settle();
    return node;
  }
  return { clock, shared, nodes, add };
}

/** Closes all nodes at once: as long as one of them lives, it has a timer. Nothing may be left of any. */
export async function finish({ clock, nodes }: { clock: FakeClock; nodes: readonly Core[] }): Promise<void> {
  const closing = Promise.all(nodes.map(({ notifier }) => notifier.close()));
  await clock.advance(60_000);
  await closing;
  for (const { notifier, errors } of nodes) {
    assertQuiet(notifier);
    expect(errors).toEqual([]);
  }
  expect(clock.armed).toBe(0);
}

/** A test with clusters, which must close and leave nothing behind. */
export const test = base.extend<{ open: (count?: number, options?: ClusterOptions) => Promise<Cluster> }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads the required fixtures from the pattern
  open: async ({}, use) => {
    const clusters: Cluster[] = [];
    await use(async (count = 2, options = {}) => {
      const opened = createCluster(options);
      clusters.push(opened);
      for (let at = 0; at < count; at++) await opened.add();
      return opened;
    });
    for (const each of clusters) await finish(each);
  },
});

export function client(notifier: Notifier, peer: Peer = anybody): Pipe {
  return pipe(notifier, { peer });
}

export async function subscribe(clock: FakeClock, end: Pipe, channel: string): Promise<void> {
  end.send({ id: 1, connect: {} }, { id: 2, subscribe: { channel } });
  await clock.settle();
}

/** Lets the clock run until a promise has settled. */
export async function settled<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  await clock.settle();
  return promise;
}

/** The default lease of a shared log, in milliseconds. */
export const lease = 15_000;

/** The task of a run that works until it is stopped. */
export const waits = ({ signal }: { signal: AbortSignal }): Promise<never> => aborted(signal);

/** Returns the types of the events that a channel has. */
export function typesIn({ shared }: Cluster, channel: string): unknown[] {
  const { entries = [] } = shared.inspect().channels[channel] ?? {};
  return entries.map(({ data }) => (JSON.parse(data) as { type: unknown }).type);
}

/** Returns the messages of the errors that a node has reported since the last call. */
export function takeErrors({ errors }: Core): string[] {
  return errors.splice(0).map(({ error }) => (error as Error).message);
}

/** Kills a node, and lets its lease end. */
export async function kill({ clock, nodes }: Cluster, node: ClusterNode): Promise<void> {
  node.log.kill();
  await clock.advance(2 * lease);
  nodes.splice(nodes.indexOf(node), 1);
  const closing = node.notifier.close({ grace: 0 });
  await clock.advance(1_000);
  await closing;
}
