import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { byteLength } from "../src/bytes.ts";

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
