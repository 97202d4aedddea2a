import { pipe } from "tocsin/testing";
import { describe, expect } from "vitest";
import { type Pair, test } from "./cluster.ts";

describe("a node that joins", () => {
  test.for([5, 15, 25, 35, 45])(
    "and is cut off for a moment after %i ms gets to work",
    async (ms, { open }) => {
      const { clock, add } = await open(0, { log: { latency: 10 } });
      const node = await add();
      const published = node.notifier.publish("news", 1);
      await clock.advance(ms);
      node.log.cut();
      await clock.advance(100);
      node.log.heal();
      await clock.advance(10_000);
      await expect(published).resolves.toMatchObject({ position: { offset: 1 } });
      expect(node.notifier.totals().log.place).toBe("joined");
      // Joining has failed, or reading messages, or both.
      expect([1, 2]).toContain(node.errors.splice(0).length);
    },
  );

  test("lets those connect again of whom others have revoked something that it could not hear", async ({
    open,
  }) => {
    const { clock, add, nodes } = await open(1, { log: { latency: 10 } });
    const [one] = nodes as Pair;
    await clock.advance(200);
    const other = await add();
    const ann = pipe(other.notifier, { peer: { user: "ann", authorize: () => true } });
    ann.send({ id: 1, connect: {} });
    void one.notifier.disconnect({ user: "ann" });
    await clock.advance(5_000);
    expect(ann.closed?.code).toBe(3000);
  });

  test.for([5, 15, 25, 35, 45, 55, 65])(
    "does so although it was cut off for a moment after %i ms",
    async (ms, { open }) => {
      const { clock, add, nodes } = await open(1, { log: { latency: 10 } });
      const [one] = nodes as Pair;
      await clock.advance(200);
      const other = await add();
      const ann = pipe(other.notifier, { peer: { user: "ann", authorize: () => true } });
      ann.send({ id: 1, connect: {} });
      void one.notifier.disconnect({ user: "ann" });
      await clock.advance(ms);
      other.log.cut();
      await clock.advance(100);
      other.log.heal();
      await clock.advance(5_000);
      expect([3000, 3503]).toContain(ann.closed?.code);
      other.errors.splice(0);
    },
  );

  test("keeps its sessions where nothing was revoked", async ({ open }) => {
    const { clock, add, nodes } = await open(1, { log: { latency: 10 } });
    const [one] = nodes as Pair;
    await clock.advance(200);
    const other = await add();
    const ann = pipe(other.notifier, { peer: { user: "ann", authorize: () => true } });
    ann.send({ id: 1, connect: {} });
    void one.notifier.presence("news");
    await clock.advance(5_000);
    expect(ann.closed).toBeUndefined();
    // Nor where it was revoked long before.
    void one.notifier.disconnect({ user: "ann" });
    await clock.advance(120_000);
    const third = await add();
    const bob = pipe(third.notifier, { peer: { user: "bob", authorize: () => true } });
    bob.send({ id: 1, connect: {} });
    await clock.advance(5_000);
    expect(bob.closed).toBeUndefined();
  });

  test("again tries an append again only once it has its place", async ({ open }) => {
    const outcomes: string[] = [];
    for (let ms = 0; ms < 40; ms += 3) {
      const { clock, nodes } = await open(2, { log: { latency: 40, lease: 2_000 } });
      const [one] = nodes as Pair;
      await clock.advance(1_000);
      one.log.cut({ hang: true });
      const published = one.notifier.publish("news", 1, { confirm: true }).then(() => "published", String);
      await clock.advance(4_000 + ms);
      one.log.heal();
      await clock.advance(10_000);
      outcomes.push(await published);
      for (const node of nodes) node.errors.splice(0);
    }
    expect([...new Set(outcomes)]).toEqual(["published"]);
  });
});
