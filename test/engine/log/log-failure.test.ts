import { describe, expect, test } from "vitest";
import { checkSlice } from "../../../src/engine/log/log-failure.ts";
import type { ReadOptions, Slice } from "../../../src/model/log.ts";

/** A slice of a channel that keeps offsets 3 to 9. */
function slice(...offsets: number[]): Slice {
  const entries = offsets.map((offset) => ({ offset, data: "1", time: 0 }));
  return { epoch: "e", top: 9, first: 3, entries, gapless: true };
}

const after = { offset: 6, epoch: "e" };

describe("a read of the last entries", () => {
  test.each<[string, ReadOptions, number[]]>([
    ["all that follow the position", { after, last: 5 }, [7, 8, 9]],
    ["the newest that follow the position", { after, last: 2 }, [8, 9]],
    ["the newest that are kept", { last: 1 }, [9]],
    ["none, because none was asked for", { last: 0 }, []],
    ["none, because none follows the position", { after: { offset: 9, epoch: "e" }, last: 5 }, []],
  ])("may return %s", (_, options, offsets) => {
    expect(() => checkSlice("news", options, slice(...offsets))).not.toThrow();
  });

  test.each<[string, ReadOptions, number[], string]>([
    ["with a gap", { last: 3 }, [6, 8, 9], "it returned offset 6 instead of 7"],
    ["that end below the top", { last: 2 }, [7, 8], "it returned offset 7 instead of 8"],
    ["that end beyond the top", { after, last: 9 }, [7, 8, 9, 10], "it returned offset 10, but its top is 9"],
    ["from before the position", { after, last: 9 }, [6, 7, 8, 9], "it returned offset 6 instead of 7"],
    ["that are missing", { last: 2 }, [], "it returned no entries after offset 2, but its top is 9"],
  ])("may not return entries %s", (_, options, offsets, why) => {
    expect(() => checkSlice("news", options, slice(...offsets))).toThrow(
      `Cannot read "news": its log is at fault, ${why}`,
    );
  });
});

test("a read without last must begin right after its position", () => {
  expect(() => checkSlice("news", { after }, slice(8, 9))).toThrow("it returned offset 8 instead of 7");
});
