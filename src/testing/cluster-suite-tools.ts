import { systemClock } from "../base/clock.ts";
import type { NotifierOptions } from "../engine/core/settings.ts";
import type { CloseReport } from "../engine/hub/close.ts";
import { createNotifier } from "../engine/notifier/create-notifier.ts";
import type { Notifier } from "../engine/notifier/notifier.ts";
import type { Log, Position } from "../model/log.ts";
import type { UndeliveredReason } from "../model/receipt.ts";
import { assertQuiet } from "./assert-quiet.ts";
import { type Client, connectTo } from "./cluster-client.ts";
import type { FakeClock } from "./fake-clock.ts";
import { wait } from "./log-suite-tools.ts";

/** The log of one node, and what a suite may do with the node. */
export interface ClusterNode {
  /** A log on the store of the world. The suite gives it to one notifier. */
  readonly log: Log;
  /**
   * Ends the node's process without a word: from now on its log does nothing more, and the store hears nothing of it.
   * What the log was asked for may stay unanswered. It MUST still be possible to dispose the log.
   */
  kill(): void | Promise<void>;
  /** Cuts the node off from the store: what it asks for fails, or waits. Needed for the fault `cut`. */
  cut?(): void | Promise<void>;
  /** Ends `cut`. */
  heal?(): void | Promise<void>;
}

/** What may happen to a node or to the store besides the end of a process. */
export type ClusterFault = "cut" | "pause" | "rollback" | "wipe";

/** A store with which several nodes work, for one test. */
export interface ClusterWorld extends AsyncDisposable {
  /** The clock of the store, which the suite moves, and which it gives to the nodes. Default: all have the real time. */
  readonly clock?: FakeClock | undefined;
  /** Milliseconds after which the store takes a node for gone that is silent. */
  readonly lease: number;
  /** Opens a log for one more node. */
  open(): ClusterNode | Promise<ClusterNode>;
  /** Lets the store stand still: what it is asked for waits. Needed for the fault `pause`. */
  pause?(): void | Promise<void>;
  /** Ends `pause`. */
  resume?(): void | Promise<void>;
  /**
   * Keeps what the store has now. The function that it returns sets the store back to that, as a failover does that loses
   * the last writes. Needed for the fault `rollback`.
   */
  snapshot?(): (() => void | Promise<void>) | Promise<() => void | Promise<void>>;
  /** Lets the store lose everything while nodes work with it. Needed for the fault `wipe`. */
  wipe?(): void | Promise<void>;
}

/** A notifier on a node of its own. */
export interface TestNode {
  readonly log: Log;
  readonly notifier: Notifier;
  /** What it has reported as undelivered while it lived. */
  readonly undelivered: readonly { readonly data: unknown; readonly reason: UndeliveredReason }[];
  /** Connects a client; see {@linkcode connectTo}. */
  connect(user: string, channels: Readonly<Record<string, Position | undefined>>): Client;
  /** Ends its process, and all connections to it. */
  kill(): Promise<void>;
  /** Cuts it off from the store until `heal`. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  close(): Promise<CloseReport>;
}

/** What a test is given: nodes over one store. */
export interface Cluster {
  readonly lease: number;
  /** Starts a node, and waits until it has joined. */
  start(options?: NotifierOptions): Promise<TestNode>;
  startAll(count: 2, options?: NotifierOptions): Promise<[TestNode, TestNode]>;
  startAll(count: 3, options?: NotifierOptions): Promise<[TestNode, TestNode, TestNode]>;
  /** Lets time pass. */
  pass(ms: number): Promise<void>;
  /** Waits until a check passes. Fails with the error of the check if it does not within five leases. */
  until(check: () => void | Promise<void>): Promise<void>;
  /** Awaits a promise while time passes. */
  of<T>(promise: Promise<T>): Promise<T>;
  /** Awaits a promise that needs real time besides, as cryptography does. */
  ofReal<T>(promise: Promise<T>): Promise<T>;
  /** The store of the nodes, and what may happen to it. */
  readonly world: ClusterWorld;
}

export type ClusterTest = (cluster: Cluster) => Promise<void>;
export type ClusterTests = Readonly<Record<string, ClusterTest>>;

/** Milliseconds between two looks at whether a check passes. */
const step = 50;
/** How many leases a check may take to pass, and how many milliseconds besides. */
const patience = { leases: 5, ms: 5_000 };

/** Runs one test in a world, and checks that it leaves nothing. `isExpected` says which errors nodes may report. */
export async function proveIn(
  world: ClusterWorld,
  prove: ClusterTest,
  isExpected: (error: unknown) => boolean = () => false,
): Promise<void> {
  const nodes: LiveNode[] = [];
  const cluster = clusterIn(world, nodes);
  try {
    await prove(cluster);
    for (const node of nodes) if (node.isAlive) await cluster.of(node.close());
    const errors = nodes.flatMap((node) => node.errors).filter((error) => !isExpected(error));
    if (errors.length > 0) throw new AggregateError(errors, `Expected no error, not ${errors.map(String)}`);
  } catch (error) {
    // The test has failed: what its nodes leave behind is no second failure.
    await end(world, cluster, nodes).catch(() => {});
    throw error;
  }
  await end(world, cluster, nodes);
  for (const { notifier } of nodes) assertQuiet(notifier);
}

/** Ends what is left of all nodes, also of those that were killed. */
async function end(world: ClusterWorld, { of }: Cluster, nodes: readonly LiveNode[]): Promise<void> {
  for (const { notifier } of nodes) await of(notifier.close({ grace: 0 }));
  await world[Symbol.asyncDispose]();
}

function clusterIn(world: ClusterWorld, nodes: LiveNode[]): Cluster {
  const { clock, lease } = world;
  const time = clock ?? systemClock;
  const pass = (ms: number): Promise<void> => clock?.advance(ms) ?? wait(ms);
  async function until(check: () => void | Promise<void>): Promise<void> {
    const end = time.now() + patience.leases * lease + patience.ms;
    await clock?.settle();
    while (time.now() < end && (await fails(check))) await pass(step);
    await check();
  }
  async function of<T>(promise: Promise<T>): Promise<T> {
    const check = settles(promise);
    await until(check);
    return promise;
  }
  async function ofReal<T>(promise: Promise<T>): Promise<T> {
    const check = settles(promise);
    const end = systemClock.now() + patience.ms;
    while (systemClock.now() < end && (await fails(check))) {
      await wait(1);
      await clock?.advance(1);
    }
    return of(promise);
  }
  async function start(options?: NotifierOptions): Promise<TestNode> {
    const node = new LiveNode(await world.open(), clock, options);
    nodes.push(node);
    // The notifier publishes only once its node has joined.
    await of(node.notifier.publish("joined", nodes.length));
    return node;
  }
  async function startAll(count: number, options?: NotifierOptions): Promise<TestNode[]> {
    const started: TestNode[] = [];
    // One after the other, so that it is known who has lived longest.
    while (started.length < count) started.push(await start(options));
    return started;
  }
  return { world, lease, pass, until, of, ofReal, start, startAll: startAll as Cluster["startAll"] };
}

/** Returns a check that passes once a promise has settled. */
function settles(promise: Promise<unknown>): () => void {
  let isPending = true;
  const settled = (): void => {
    isPending = false;
  };
  promise.then(settled, settled);
  return () => {
    if (isPending) throw new Error("Expected a promise to settle");
  };
}

async function fails(check: () => void | Promise<void>): Promise<boolean> {
  try {
    await check();
    return false;
  } catch {
    return true;
  }
}

/** Returns what a world must have for a fault that it says it can make. */
export function demanded<T>(member: T | undefined, what: string): T {
  if (member === undefined) throw new Error(`Expected the world of the suite to have ${what}`);
  return member;
}

class LiveNode implements TestNode {
  readonly #node: ClusterNode;
  readonly #clients: Client[] = [];
  readonly notifier: Notifier;
  readonly undelivered: { readonly data: unknown; readonly reason: UndeliveredReason }[] = [];
  readonly errors: unknown[] = [];
  isAlive = true;

  constructor(node: ClusterNode, clock: FakeClock | undefined, options: NotifierOptions = {}) {
    this.#node = node;
    this.notifier = createNotifier({
      ...options,
      log: node.log,
      ...(clock && { clock }),
      onUndelivered: ({ data }, reason) => {
        if (this.isAlive) this.undelivered.push({ data, reason });
      },
      onError: (error) => {
        if (this.isAlive) this.errors.push(error);
      },
    });
  }

  get log(): Log {
    return this.#node.log;
  }

  connect(user: string, channels: Readonly<Record<string, Position | undefined>>): Client {
    const client = connectTo(this.notifier, user, channels);
    this.#clients.push(client);
    return client;
  }

  async kill(): Promise<void> {
    this.isAlive = false;
    await this.#node.kill();
    for (const { pipe } of this.#clients) pipe.drop();
  }

  async cut(): Promise<void> {
    await demanded(this.#node.cut, "cut() of a node").call(this.#node);
  }

  async heal(): Promise<void> {
    await demanded(this.#node.heal, "heal() of a node").call(this.#node);
  }

  close(): Promise<CloseReport> {
    return this.notifier.close();
  }
}
