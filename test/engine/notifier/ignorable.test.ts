import { expect, test } from "vitest";
import { child } from "../../support/child.ts";

test("publications and events that nobody awaits do not end the process during close, and invalid ones do", async () => {
  const fine = await child("ignored-calls.ts").exit;
  expect([fine.code, fine.output.trim()]).toEqual([0, "closed with 1 run abandoned"]);
  const bad = await child("ignored-calls.ts", "bad").exit;
  expect(bad.code).not.toBe(0);
  expect(bad.output).toContain("Cannot put the payload");
});
