import { expect, test } from "vitest";
import { SmallSet } from "../../src/base/small-set.ts";
import { random } from "../simulation/random.ts";

const items = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }] as const;

test("small sets have the members and the order of a Set, after any changes", () => {
  const { pick, chance } = random(7);
  for (let round = 0; round < 200; round++) {
    const small = new SmallSet<object>();
    const set = new Set<object>();
    for (let step = 0; step < 30; step++) {
      const item = pick(items);
      if (chance(0.5)) {
        small.add(item);
        set.add(item);
      } else expect(small.delete(item)).toBe(set.delete(item));
      expect([...small]).toEqual([...set]);
      expect(small.size).toBe(set.size);
      if (small.only !== undefined) expect([...set]).toEqual([small.only]);
      for (const each of items) expect(small.has(each)).toBe(set.has(each));
    }
  }
});

test("members that are removed during an iteration are not visited any more", () => {
  const small = new SmallSet<(typeof items)[number]>();
  for (const item of items) small.add(item);
  const seen: number[] = [];
  for (const { n } of small) {
    seen.push(n);
    const next = items[n + 1];
    if (next !== undefined) small.delete(next);
  }
  expect(seen).toEqual([0, 2]);
});
