import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Expiring, ExpiryQueue } from "../../src/base/expiry-queue.ts";
import { Scope } from "../../src/base/scope.ts";
import { fakeClock } from "../../src/testing.ts";

interface Item extends Expiring {
  readonly name: number;
}

function item(name: number, expires: number): Item {
  return { name, expires, place: -1, order: 0 };
}

/** Makes an expiry queue on a fake clock. It arms no timer until the test calls `want`. */
function expiries() {
  const clock = fakeClock();
  const scope = new Scope(clock, (error) => {
    throw error;
  });
  const expired: Item[] = [];
  let isWanted = false;
  const items: ExpiryQueue<Item> = new ExpiryQueue(
    { clock, scope },
    () => isWanted,
    (each) => {
      expired.push(each);
      items.delete(each);
    },
  );
  return {
    clock,
    scope,
    items,
    expired,
    want(wanted = true) {
      isWanted = wanted;
      items.arm();
    },
  };
}

describe("an expiry queue", () => {
  test("expires its entries in the order of their ends, each at its time", async () => {
    const { clock, items, expired, want } = expiries();
    want();
    for (const [name, expires] of [30, 10, 20, 40].entries()) {
      items.add(item(name, expires));
      items.arm();
    }
    const seen: number[][] = [];
    for (let i = 0; i < 5; i++) {
      await clock.advance(10);
      seen.push(expired.map(({ name }) => name));
    }
    expect(seen).toEqual([[1], [1, 2], [1, 2, 0], [1, 2, 0, 3], [1, 2, 0, 3]]);
    expect([clock.armed, expired.map(({ place }) => place)]).toEqual([0, [-1, -1, -1, -1]]);
  });

  test("has one timer, which is due at the next end or earlier", async () => {
    const { clock, scope, items, expired, want } = expiries();
    want();
    const [late, early] = [item(0, 50), item(1, 20)];
    for (const each of [late, early]) {
      items.add(each);
      items.arm();
      expect(scope.inspect()).toEqual([{ kind: "timer", owner: "confirmed publications", age: 0 }]);
    }
    items.delete(early);
    items.arm();
    // The timer for the deleted entry fires, finds nothing due, and arms the next one.
    await clock.advance(20);
    expect([clock.armed, expired]).toEqual([1, []]);
    await clock.advance(29);
    expect(expired).toEqual([]);
    await clock.advance(1);
    expect([expired, clock.armed]).toEqual([[late], 0]);
  });

  test("has no timer without a listener, and then expires its entries only in run()", async () => {
    const { clock, items, expired, want } = expiries();
    for (const [name, expires] of [10, 20, 30].entries()) items.add(item(name, expires));
    items.arm();
    await clock.advance(20);
    expect([expired, clock.armed]).toEqual([[], 0]);
    items.run();
    expect([expired.map(({ name }) => name), clock.armed]).toEqual([[0, 1], 0]);
    want();
    expect(clock.armed).toBe(1);
    want(false);
    expect(clock.armed).toBe(0);
    want();
    await clock.advance(10);
    expect([expired.length, clock.armed]).toEqual([3, 0]);
  });

  test("has no timer when it is empty, or its entries never expire", async () => {
    const { clock, items, want } = expiries();
    want();
    const only = item(0, 10);
    items.add(only);
    items.arm();
    items.delete(only);
    items.arm();
    expect(clock.armed).toBe(0);
    items.add(item(1, Number.POSITIVE_INFINITY));
    items.arm();
    expect(clock.armed).toBe(0);
    await clock.advance(1_000_000);
    items.run();
    expect(clock.armed).toBe(0);
  });

  test("expires an entry at once where its time is over already", async () => {
    const { clock, items, expired, want } = expiries();
    await clock.advance(100);
    want();
    items.add(item(0, 100));
    items.add(item(1, 3));
    items.arm();
    await clock.settle();
    await clock.advance(0);
    expect(expired.map(({ name }) => name)).toEqual([1, 0]);
  });

  test("removes an entry completely, also a second time, and ignores an unknown one", () => {
    const { items, expired } = expiries();
    const [one, other] = [item(0, 0), item(1, 0)];
    items.add(one);
    items.delete(one);
    items.delete(one);
    items.delete(other);
    items.run();
    expect([expired, one.place, other.place]).toEqual([[], -1, -1]);
  });
});

describe("the heap of an expiry queue is the same as a sorted list,", () => {
  type Step = { add: number } | { remove: number } | { pass: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fc.nat(60) }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ pass: fc.nat(10) }) },
  );

  test("whatever is added, removed and expires, in any order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
        const { clock, items, expired, want } = expiries();
        want();
        let kept: Item[] = [];
        let names = 0;
        for (const each of steps) {
          if ("add" in each) {
            const added = item(names++, clock.now() + 1 + each.add);
            kept.push(added);
            items.add(added);
          } else if ("remove" in each) {
            const [removed] = kept.splice(each.remove % Math.max(1, kept.length), 1);
            if (removed !== undefined) items.delete(removed);
          } else {
            const before = expired.length;
            await clock.advance(each.pass);
            const due = kept.filter(({ expires }) => expires <= clock.now());
            const ends = due.map(({ expires }) => expires).sort((one, other) => one - other);
            expect(expired.slice(before).map(({ expires }) => expires)).toEqual(ends);
            expect(new Set(expired.slice(before))).toEqual(new Set(due));
            kept = kept.filter(({ expires }) => expires > clock.now());
          }
          items.arm();
          // Each entry stores its own place in the heap, and a timer is armed while there are entries.
          const places = kept.map(({ place }) => place).sort((one, other) => one - other);
          expect(places).toEqual(kept.map((_, place) => place));
          expect(clock.armed).toBe(kept.length > 0 ? 1 : 0);
        }
        await clock.advance(100);
        expect([expired.length, clock.armed]).toEqual([new Set(expired).size, 0]);
        expect(expired.every(({ place }) => place === -1)).toBe(true);
      }),
      { numRuns: 60, seed: 42 },
    );
  });

  test("when entries are removed from its middle", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(50), { minLength: 1, maxLength: 200 }),
        fc.infiniteStream(fc.nat()),
        (ends, picks) => {
          const { items, expired } = expiries();
          const kept = ends.map((end, name) => item(name, end));
          for (const each of kept) items.add(each);
          while (kept.length > ends.length / 2) {
            const [removed] = kept.splice((picks.next().value as number) % kept.length, 1);
            items.delete(removed as Item);
          }
          // All entries become due without a timer, because the clock does not move.
          for (const each of kept) Object.assign(each, { expires: each.expires - 1_000 });
          items.run();
          const left = kept.map(({ expires }) => expires).sort((one, other) => one - other);
          expect(expired.map(({ expires }) => expires)).toEqual(left);
        },
      ),
      { numRuns: 100, seed: 42 },
    );
  });
});
