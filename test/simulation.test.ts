import { expect, test } from "vitest";
import { simulate } from "./simulation/simulate.ts";

/** The same seeds in every run: a failure is repeated by `npm run simulate -- --seed S`. */
const schedules = 5_000;
/** Schedules further out that found a fault once. */
const found = [2_018_660];

test(`${schedules} schedules break no rule`, { timeout: 60_000 }, async () => {
  let done = 0;
  for (let seed = 1; seed <= schedules; seed++) {
    await simulate(seed);
    done++;
  }
  expect(done).toBe(schedules);
});

test.each(found)("schedule %i, which broke one once, breaks no rule", async (seed) => {
  await expect(simulate(seed)).resolves.toBeUndefined();
});
