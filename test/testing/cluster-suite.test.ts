import { describe, expect, test } from "vitest";
import {
  type ClusterWorld,
  clusterSuite,
  fakeClock,
  type NodeLog,
  type SharedLogOptions,
  sharedLog,
} from "../../src/testing.ts";
import { wrongClusters } from "../support/wrong-clusters.ts";
import { type NodeFault, type NodeWorld, withNodeFault } from "../support/wrong-nodes.ts";

interface World {
  readonly options?: SharedLogOptions;
  readonly fault?: NodeFault;
}

function world({ options, fault = () => ({}) }: World = {}): ClusterWorld {
  const clock = fakeClock();
  const shared = sharedLog({ clock, ...options });
  const nodes: NodeWorld = { shared, members: [], memberships: [] };
  return {
    ...{ clock, lease: options?.lease ?? 15_000 },
    open() {
      const log: NodeLog = withNodeFault(nodes, fault);
      return { log, kill: () => log.kill(), cut: () => log.cut(), heal: () => log.heal() };
    },
    pause: () => shared.pause(),
    resume: () => shared.resume(),
    snapshot() {
      const snapshot = shared.snapshot();
      return () => shared.rollback(snapshot);
    },
    wipe: () => shared.wipe(),
    async [Symbol.asyncDispose]() {
      const { watches } = shared.inspect();
      if (clock.armed > 0 || watches > 0)
        throw new Error(`${clock.armed} timers and ${watches} watches are left`);
    },
  };
}

const runner = { describe, test };
const faults = ["cut", "pause", "rollback", "wipe"] as const;

describe("nodes over a shared log that answers in microtasks", () => {
  clusterSuite({ world, faults }, runner);
});

describe("nodes over a shared log that takes 20 ms for each way", () => {
  clusterSuite({ world: () => world({ options: { latency: 20, lease: 3_000 } }), faults }, runner);
});

/** Returns the tests of the suite by name. */
function testsOf(fault: NodeFault): Map<string, () => Promise<void>> {
  const tests = new Map<string, () => Promise<void>>();
  clusterSuite(
    { world: () => world({ fault }), faults },
    { describe: (_, body) => body(), test: (name, body) => void tests.set(name, body) },
  );
  return tests;
}

/** Faults of a store, and the test that finds each. Every test of the suite finds one. */
const caught: readonly (readonly [fault: keyof typeof wrongClusters, test: string])[] = [
  [
    "wakes only those who watch with the log that appends",
    "a publication of one node reaches the subscribers of all, in order and once",
  ],
  [
    "gives each node channels of its own",
    "a client that comes back to another node gets what it has missed, and nothing twice",
  ],
  ["gives each node channels of its own", "all nodes have the same history, and follow it from any position"],
  ["remembers keys for each node", "an idempotency key that is used on several nodes publishes once"],
  ["does not seal", "a ticket that one node has issued is redeemed once, on any node"],
  [
    "stands still once a log was disposed",
    "a node closes while others go on: its clients are told, and nobody else notices",
  ],
  [
    "wakes only those who watch with the log that appends",
    "a run of one node is followed on another, found there, and its result is read there",
  ],
  [
    "gives what was left to nobody who is there",
    "the runs of a node that dies are lost, each once, and whoever follows them is told",
  ],
  ["neither seals nor releases", "a run that has ended when its node dies stays as it is"],
  [
    "gives what was left to nobody who is there",
    "if several nodes die, the last one brings all their runs to an end",
  ],
  [
    "gives what was left to nobody who is there",
    "if all nodes die, the next one that starts brings their runs to an end",
  ],
  [
    "begins a channel once for each node",
    "an id that several nodes give to a run at once is that of one run",
  ],
  [
    "gives each node channels of its own",
    "the runs of a node that closes are cancelled, and others find them so",
  ],
  ["gives an heir what the living hold", "a run goes on while other nodes leave and die"],
  [
    "gives everybody what one member has left",
    "what a node that dies has not delivered is reported once, by somebody alive",
  ],
  [
    "does not hold on what was inherited by somebody who is there",
    "if the heir dies as well, the last node reports what nobody received",
  ],
  ["holds nothing", "what a node that dies has not delivered is delivered by its heir"],
  ["releases nothing", "what a node has delivered is not reported when it dies"],
  [
    "does not keep the origin of an entry",
    "what a client of another node acknowledges is not reported, and resolves the receipt",
  ],
  [
    "loses what nodes tell each other",
    "a receipt is resolved by a client of any node, at the level that it asks for",
  ],
  [
    "loses what nodes tell each other",
    "a client that comes back to another node acknowledges what it was sent before",
  ],
  ["loses what nodes tell each other", "an heir hears of a delivery that only the dead node was told"],
  ["does not keep the origin of an entry", "what two nodes publish with one key is reported once"],
  ["holds nothing", "a node that closes hands what it has not delivered to another one, which reports it"],
  [
    "keeps what the last member has left",
    "what the last node that closes has not delivered waits for the next one that starts",
  ],
  ["holds nothing", "a run whose node is dead can be cancelled: that settles once the run is lost"],
  [
    "refuses a member that was lost for ever",
    "a node that was cut off for longer than its lease works again, and its runs have failed once",
  ],
  [
    "takes everybody for gone who was cut off",
    "a node that was cut off for less than its lease goes on with its runs",
  ],
  [
    "gives everybody what one member has left",
    "what a node has confirmed that was cut off for longer than its lease is reported once",
  ],
  [
    "takes everybody for gone while it stands still",
    "while the store stands still for longer than the lease nobody is lost",
  ],
  [
    "tells nobody that it was wiped",
    "after the store was wiped all nodes are there, and the runs of one that dies fail once",
  ],
  [
    "loses everything when it is set back",
    "after the store was set back a client is told of one gap, or of none if it has missed nothing",
  ],
  [
    "tells nobody that it was wiped",
    "after the store was set back runs have one ending, and those that work are held",
  ],
];

describe("clusterSuite fails a store that", () => {
  test.for(caught)("%s: %s", async ([fault, name]) => {
    const prove = testsOf(wrongClusters[fault] as NodeFault).get(name);
    expect(prove).toBeDefined();
    await expect(prove?.()).rejects.toThrow("Expected");
  });

  test("has no tests of faults that its world does not have, and says so", () => {
    const skipped: string[] = [];
    const declared: string[] = [];
    clusterSuite(
      { world, faults: ["cut", "wipe", "rollback"] },
      {
        describe: (_, body) => body(),
        test: (name) => declared.push(name),
        skip: (name) => skipped.push(name),
      },
    );
    const name = "while the store stands still for longer than the lease nobody is lost";
    expect(skipped).toEqual([`${name} (this world has no fault "pause")`]);
    expect(declared).not.toContain(name);
  });

  test("breaks any of its tests", () => {
    expect([...testsOf(() => ({})).keys()].sort()).toEqual(caught.map(([, name]) => name).sort());
  });
});
