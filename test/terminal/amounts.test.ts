import { expect, test } from "vitest";
import { countOf, sizeOf, spanOf } from "../../src/terminal/amounts.ts";

test("times are told in the two units that matter", () => {
  const minute = 60_000;
  const spans = [-5, 0, 59_940, minute, 59.5 * minute, 47 * 60 * minute, 48 * 60 * minute, 1e9].map(spanOf);
  expect(spans).toEqual([
    ...["0.0 s", "0.0 s", "59.9 s", "1 min 0 s", "59 min 30 s", "47 h 0 min", "2 d 0 h"],
    "11 d 13 h",
  ]);
});

test("bytes are told in units that keep the number short", () => {
  const sizes = [0, 1_023, 1_024, 1_048_524, 1_048_525, 5e9, 2e16].map(sizeOf);
  expect(sizes).toEqual(["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "4.7 GiB", "18189.9 TiB"]);
});

test("a count has a noun in the right number", () => {
  expect([0, 1, 2].map((count) => countOf(count, "channel"))).toEqual([
    "0 channels",
    "1 channel",
    "2 channels",
  ]);
});
