import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteLength, cutText } from "../../src/base/bytes.ts";

describe("byteLength", () => {
  const encoder = new TextEncoder();

  test("counts what the encoder encodes, lone surrogates included", () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0xd7fe, max: 0xe001 }),
      fc.constantFrom(0x7f, 0x80, 0x7ff, 0x800, 0xd83d, 0xde00, 0xffff),
    );
    fc.assert(
      fc.property(fc.array(unit), (units) => {
        const text = String.fromCharCode(...units);
        expect(byteLength(text)).toBe(encoder.encode(text).length);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([1_000, 5_461, 5_462, 20_000])("counts texts of %i characters of any size", (length) => {
    expect(["a", "é", "…"].map((character) => byteLength(character.repeat(length)))).toEqual([
      length,
      2 * length,
      3 * length,
    ]);
    expect(byteLength("😀".repeat(length))).toBe(4 * length);
  });

  test.each([
    ["", 0],
    ["a", 1],
    ["é", 2],
    ["…", 3],
    ["😀", 4],
    ["\ud83d", 3],
    ["\ude00", 3],
    ["\ude00\ud83d", 6],
    ["\ud83d\ud83d\ude00", 7],
  ])("of %j is %i", (text, bytes) => {
    expect(byteLength(text)).toBe(bytes);
  });
});

describe("cutText", () => {
  test.for([
    ["a text that fits", "abc", 3, "abc"],
    ["a text that is longer", "abcd", 3, "abc"],
    ["a surrogate pair in front of the cut", "a😀b", 3, "a😀"],
    ["a surrogate pair across the cut", "ab😀", 3, "ab"],
    ["half of a surrogate pair to nothing", "😀", 1, ""],
    ["to nothing", "abc", 0, ""],
  ] as const)("cuts %s", ([, text, max, cut]) => {
    expect(cutText(text, max)).toBe(cut);
  });

  test("leaves every whole text whole, wherever it is cut", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(20), (text, max) => {
        const cut = cutText(text, max);
        expect(text.startsWith(cut)).toBe(true);
        expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, max) - 1);
        expect(cut.length).toBeLessThanOrEqual(max);
        expect(encodeURIComponent(cut)).toBeTypeOf("string");
      }),
    );
  });
});
