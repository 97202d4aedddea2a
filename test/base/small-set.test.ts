import { expect, test } from "vitest";
import { SmallSet } from "../../src/base/small-set.ts";
import { random } from "../simulation/random.ts";

const items = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }] as const;

test("small sets have the members and the order of a Set, after any changes", () => {
  const { pick, chance } = random(7);
  for (let round = 0; round < 200; round++) {
    const few = new SmallSet<object>();
    const set = new Set<object>();
    for (let step = 0; step < 30; step++) {
      const item = pick(items);
      if (chance(0.5)) {
        few.add(item);
        set.add(item);
      } else expect(few.delete(item)).toBe(set.delete(item));
      expect([...few]).toEqual([...set]);
      expect(few.size).toBe(set.size);
      if (few.only !== undefined) expect([...set]).toEqual([few.only]);
      for (const each of items) expect(few.has(each)).toBe(set.has(each));
    }
  }
});

test("members that are removed during an iteration are not visited any more", () => {
  const few = new SmallSet<(typeof items)[number]>();
  for (const item of items) few.add(item);
  const seen: number[] = [];
  for (const { n } of few) {
    seen.push(n);
    const next = items[n + 1];
    if (next !== undefined) few.delete(next);
  }
  expect(seen).toEqual([0, 2]);
});
