import { expect, test } from "vitest";
import { Burst } from "../src/burst.ts";

/** Adds publications of 808 characters, which count 1 000 bytes, and ends the turn. */
function turnOf(burst: Burst, first: number, last: number, keeps: Parameters<Burst["turn"]>[0]): number {
  for (let offset = first; offset <= last; offset++) burst.add(808, offset);
  return burst.turn(keeps);
}

test("nobody has to have come anywhere until half of what the log keeps was published", () => {
  const keeps = { size: 0, bytes: 1_000, slack: 10_000 };
  const burst = new Burst("news", 0, 0);
  expect(turnOf(burst, 1, 2, keeps)).toBe(0);
  expect(turnOf(burst, 3, 5, keeps)).toBe(0);
  // Now the first is behind by more than 5 000 bytes, and whoever has the second by less.
  expect(turnOf(burst, 6, 6, keeps)).toBe(2);
  expect(turnOf(burst, 7, 7, keeps)).toBe(2);
  expect(turnOf(burst, 8, 8, keeps)).toBe(5);
  // A turn of more than half is to be read to its end.
  expect(turnOf(burst, 9, 14, keeps)).toBe(14);
});

test("what may have been published before it was counted counts, though nobody knows up to which offset", () => {
  const keeps = { size: 0, bytes: 0, slack: 10_000 };
  const burst = new Burst("news", 0, 4_000);
  expect(burst.turn(keeps)).toBe(0);
  expect(turnOf(burst, 9, 9, keeps)).toBe(0);
  expect(turnOf(burst, 10, 10, keeps)).toBe(9);
});

test("a log keeps no more of a few large publications than its bytes, and of many small ones than its size", () => {
  const large = new Burst("news", 0, 0);
  expect(turnOf(large, 1, 3, { size: 1_000_000, bytes: 1_000, slack: 4_000 })).toBe(3);
  const small = new Burst("news", 0, 0);
  expect(turnOf(small, 1, 3, { size: 5, bytes: 1_000_000, slack: 4_000 })).toBe(3);
});

test("without slack the size counts as well", () => {
  const burst = new Burst("news", 0, 0);
  expect(turnOf(burst, 1, 12, { size: 10, bytes: 1_000_000, slack: 0 })).toBe(7);
});

test("a turn in which nothing was published changes nothing", () => {
  const keeps = { size: 1, bytes: 0, slack: 4_000 };
  const burst = new Burst("news", 0, 0);
  turnOf(burst, 1, 2, keeps);
  expect(turnOf(burst, 3, 4, keeps)).toBe(2);
  for (let i = 0; i < 10; i++) expect(burst.turn(keeps)).toBe(2);
});

test("a channel that begins anew is counted from there", () => {
  const keeps = { size: 1, bytes: 0, slack: 4_000 };
  const burst = new Burst("news", 0, 0);
  turnOf(burst, 1, 2, keeps);
  expect(turnOf(burst, 3, 4, keeps)).toBe(2);
  expect(turnOf(burst, 1, 1, keeps)).toBe(0);
  expect(turnOf(burst, 2, 3, keeps)).toBe(1);
});

test("it waits for the slowest for as long as that comes on, and then for 100 ms", () => {
  const burst = new Burst("news", 0, 0);
  const waits = (slowest: number | undefined, now: number): boolean => {
    burst.waitFor(slowest, now);
    return burst.isHeld;
  };
  expect([waits(1, 50), waits(1, 149), waits(1, 150), waits(2, 150), waits(2, 249)]).toEqual([
    true,
    true,
    false,
    true,
    true,
  ]);
  expect(burst.left(249)).toBe(1);
  expect([waits(2, 250), waits(undefined, 251), waits(2, 252)]).toEqual([false, false, true]);
});
