import { expect, test } from "vitest";
import { readFormatted, textOf } from "../../src/base/formatted.ts";

test("an object of the format is read, and any other text is not", () => {
  expect(readFormatted('{"format":1,"a":[2]}', 1)).toEqual({ format: 1, a: [2] });
  const others = ['{"format":2,"a":[2]}', '{"format":"1"}', '{"a":1}', "[1]", "1", "null", '"1"', "{", ""];
  expect(others.map((text) => readFormatted(text, 1))).toEqual(others.map(() => undefined));
});

test("only a text is one", () => {
  expect(["a", "", 1, null, undefined, ["a"]].map(textOf)).toEqual(["a", "", ...Array(4).fill(undefined)]);
});
