import { expect, test } from "vitest";
import { trim } from "../../src/base/trim.ts";

test("what is over the maximum is deleted, the oldest first", () => {
  const map = new Map([1, 2, 3, 4].map((n) => [`key${n}`, n]));
  trim(map, 2);
  expect([...map]).toEqual([
    ["key3", 3],
    ["key4", 4],
  ]);
  const set = new Set(["one", "two"]);
  trim(set, 2);
  expect([...set]).toEqual(["one", "two"]);
  trim(set, 1);
  expect([...set]).toEqual(["two"]);
});
