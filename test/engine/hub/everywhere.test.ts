import { describe, expect } from "vitest";
import { cached } from "../../../src/access/cached.ts";
import type { Peer } from "../../../src/model/peer.ts";
import { test as alone, outcomeOf, rejection } from "../../support/core.ts";
import { type ClusterNode, settled, test } from "../nodes/cluster.ts";

const { signal } = new AbortController();
const ann: Peer = { user: "ann" };

/** Asks for the same permission, and returns how often that was not known. */
function guardOf({ notifier, clock }: ClusterNode): { forget(): Promise<void>; asked(): Promise<number> } {
  let asked = 0;
  const authorize = cached(() => ++asked > 0, { notifier, clock, ttl: Infinity });
  return {
    forget: () => authorize.forget(),
    asked: async () => {
      await authorize(ann, { type: "subscribe", channel: "a", signal });
      return asked;
    },
  };
}

describe("what is forgotten on one node", () => {
  test("is forgotten on all, here at once", async ({ open }) => {
    const { clock, nodes } = await open(3);
    const guards = nodes.map(guardOf);
    const asked = () => Promise.all(guards.map((guard) => guard.asked()));
    expect([await asked(), await asked()]).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
    const forgetting = guards[0]?.forget();
    expect(await asked()).toEqual([2, 1, 1]);
    await settled(clock, forgetting as Promise<void>);
    expect(await asked()).toEqual([2, 2, 2]);
  });

  test("is forgotten by all that share a notifier", async ({ open }) => {
    const { nodes } = await open(1);
    const [one, other] = [nodes[0], nodes[0]].map((node) => guardOf(node as ClusterNode));
    await other?.asked();
    void one?.forget();
    expect(await other?.asked()).toBe(2);
  });

  test("is forgotten on a node that was cut off, once it is back", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes.map(guardOf);
    await other?.asked();
    nodes[1]?.log.cut();
    await settled(clock, one?.forget() as Promise<void>);
    expect(await other?.asked()).toBe(1);
    nodes[1]?.log.heal();
    await clock.advance(6_000);
    expect(await other?.asked()).toBe(2);
    nodes[1]?.errors.splice(0);
  });

  test("is forgotten on a node that has missed messages", async ({ open }) => {
    const { clock, nodes, shared } = await open(2);
    const guards = nodes.map(guardOf);
    for (const guard of guards) await guard.asked();
    // A node that leaves nothing to read has appended this, so that the other one finds a gap.
    await settled(clock, nodes[0]?.notifier.disconnect({ user: "nobody" }) as Promise<void>);
    shared.wipe();
    await clock.advance(6_000);
    expect(await guards[1]?.asked()).toBe(2);
    for (const { errors } of nodes) errors.splice(0);
  });

  test("is forgotten before its node has joined, and by a node that joins later", async ({ open }) => {
    const cluster = await open(1);
    const [one] = cluster.nodes as [ClusterNode];
    const guard = guardOf(one);
    await guard.asked();
    let acted = 0;
    const later = cluster.add();
    cluster.nodes[1]?.notifier.everywhere("topic", () => acted++);
    const telling = one.notifier.everywhere("topic", () => {});
    await settled(cluster.clock, telling());
    await later;
    expect(acted).toBeGreaterThanOrEqual(1);
  });

  test("settles once others will hear of it, and not before", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [one, other] = nodes.map(guardOf);
    await other?.asked();
    nodes[0]?.log.cut();
    const forgetting = outcomeOf(one?.forget() as Promise<void>);
    await clock.advance(1_000);
    expect(forgetting.state).toBe("pending");
    nodes[0]?.log.heal();
    await clock.advance(10_000);
    expect([forgetting.state, await other?.asked()]).toEqual(["fulfilled", 2]);
    nodes[0]?.errors.splice(0);
  });

  test("cannot be told after closing, which is no unhandled rejection", async ({ open }) => {
    const { clock, nodes } = await open(2);
    const [node] = nodes as [ClusterNode];
    const guard = guardOf(node);
    await guard.asked();
    const closing = node.notifier.close();
    await clock.advance(60_000);
    await closing;
    void guard.forget();
    expect(await rejection(guard.forget())).toMatchObject({ name: "ClosedError" });
    expect(await guard.asked()).toBe(2);
  });

  test("of another shape is ignored and counted", async ({ open }) => {
    const { clock, nodes, shared } = await open(1);
    const log = shared.open();
    const data = JSON.stringify({ format: 1, from: "other", kind: "everywhere", body: 1 });
    await log.append("\0all", data, { time: clock.time() });
    await log[Symbol.asyncDispose]();
    await clock.settle();
    expect(nodes[0]?.notifier.totals().limits).toEqual({ messages: 1 });
  });
});

describe("a function for all processes", () => {
  alone(
    "acts at once where one works alone, for its topic only, whatever others throw",
    async ({ start }) => {
      const { notifier, errors } = start();
      const acted: string[] = [];
      const tell = notifier.everywhere("a", () => {
        throw new Error("no");
      });
      notifier.everywhere("a", () => acted.push("a"));
      notifier.everywhere("b", () => acted.push("b"));
      const telling = tell();
      expect(acted).toEqual(["a"]);
      expect(await telling).toBeUndefined();
      expect(errors.splice(0)).toMatchObject([
        {
          error: { message: "no" },
          context: { stage: "internal", owner: "what is done everywhere about a" },
        },
      ]);
    },
  );

  alone("does not begin anything", ({ start }) => {
    const { notifier, clock } = start();
    notifier.everywhere("a", () => {});
    expect(clock.armed).toBe(0);
  });

  alone.for([
    [undefined, () => {}, 'Cannot act everywhere on "undefined": a topic has 1 to 255 characters'],
    ["", () => {}, 'Cannot act everywhere on "": a topic has 1 to 255 characters'],
    ["a".repeat(256), () => {}, "a topic has 1 to 255 characters"],
    ["a", undefined, 'Cannot act everywhere on "a": give a function that acts'],
  ])("needs a topic and an act: %s, %s", ([topic, act, message], { start }) => {
    expect(() => start().notifier.everywhere(topic as string, act as () => void)).toThrow(message as string);
  });
});
