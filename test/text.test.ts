import { expect, test } from "vitest";
import { shortened } from "../src/text.ts";

test.each<[string | undefined, number, string | undefined]>([
  ["abc", 3, "abc"],
  ["abcd", 3, "abc"],
  ["a😀b", 3, "a😀"],
  ["a😀b", 2, "a"],
  ["😀", 1, ""],
  ["", 3, ""],
  [undefined, 3, undefined],
])("%j of %i characters at most is %j", (text, longest, expected) => {
  expect(shortened(text, longest)).toBe(expected);
});
