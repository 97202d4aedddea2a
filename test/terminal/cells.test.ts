import { expect, test } from "vitest";
import { cellsOf, cut, printable } from "../../src/terminal/cells.ts";

test("control characters are replaced by visible text, and JSON stays the same JSON", () => {
  expect(printable("\u001b[2J\u009b1A\r\n\u202ex\u2028é😀")).toBe(
    "\\u001b[2J\\u009b1A\\r\\n\\u202ex\\u2028é😀",
  );
  const value = { text: "\u001b\u009b\u202e\n" };
  expect(JSON.parse(printable(JSON.stringify(value)))).toEqual(value);
});

test("wide characters take two cells, and combined ones none", () => {
  expect(["abc", "顧客", "😀", "e\u0301", "█░…", ""].map(cellsOf)).toEqual([3, 4, 2, 1, 3, 0]);
});

test("text is cut at whole characters, with a mark", () => {
  const texts = [cut("abcdef", 6), cut("abcdef", 4), cut("顧客名", 4), cut("abc", 1), cut("abc", 0)];
  expect(texts).toEqual(["abcdef", "abc…", "顧…", "…", ""]);
});
