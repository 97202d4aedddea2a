import { describe, test } from "vitest";
import { logSuite, type SharedLog, sharedLog } from "../../src/testing.ts";

describe("a shared log, opened again for each log of a test", () => {
  const stores = new WeakMap<object, SharedLog>();
  logSuite(
    ({ clock }) => {
      const shared = stores.get(clock) ?? sharedLog({ clock });
      stores.set(clock, shared);
      return shared.open();
    },
    { describe, test },
  );
});
