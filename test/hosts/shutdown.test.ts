import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { program, runtime } from "../support/runtime.ts";
import { judge, perform, type Scale, type System } from "../support/shutdown.ts";
import { cases } from "../support/shutdown-cases.ts";

const system: System = {
  file: process.execPath,
  args: program(fileURLToPath(new URL("../support/shutdown-child.ts", import.meta.url))),
  address: (topics) => `/notifications?topics=${topics.join(",")}`,
};
const scale: Scale = { healthy: 4, stuck: 2, grace: 2_500, patience: 12_000 };
/** Shared machines stall. `npm run bench:shutdown` checks the bounds of the contract itself. */
const slack = { settled: 1_000, exit: 2_000 };

describe.concurrent(`a process of ${runtime} that is shut down`, () => {
  // Not with `test.each`, which truncates long names.
  for (const one of cases)
    test(`settles within its grace, loses nothing and ends by itself: ${one.name}`, async () => {
      const patient = { ...scale, grace: one.brief ? 8_000 : scale.grace };
      const { outcome, wrong } = await perform(system, patient, one);
      expect([...judge(one, patient, outcome, slack), ...wrong]).toEqual([]);
    });
});
