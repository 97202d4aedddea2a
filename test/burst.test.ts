import { expect, test } from "vitest";
import { Burst } from "../src/burst.ts";

/** Adds publications of 808 characters, which count 1 000 bytes, and ends the turn. */
function turnOf(burst: Burst, first: number, last: number, keeps: Parameters<Burst["turn"]>[0]): number {
  for (let offset = first; offset <= last; offset++) burst.add(808, offset);
  return burst.turn(keeps);
}

test("nobody has to have come anywhere until half of what the log keeps was published", () => {
  const keeps = { size: 1, bytes: 1_000, slack: 9_000 };
  const burst = new Burst("news");
  expect(turnOf(burst, 1, 2, keeps)).toBe(0);
  expect(turnOf(burst, 3, 6, keeps)).toBe(0);
  // From 2 to 7 are 5 000 bytes.
  expect(turnOf(burst, 7, 7, keeps)).toBe(2);
  expect(turnOf(burst, 8, 10, keeps)).toBe(2);
  expect(turnOf(burst, 11, 11, keeps)).toBe(6);
});

test("without slack the size counts as well", () => {
  const burst = new Burst("news");
  expect(turnOf(burst, 1, 12, { size: 10, bytes: 1_000_000, slack: 0 })).toBe(7);
});

test("a turn in which nothing was published changes nothing", () => {
  const keeps = { size: 1, bytes: 0, slack: 4_000 };
  const burst = new Burst("news");
  turnOf(burst, 1, 2, keeps);
  expect(turnOf(burst, 3, 4, keeps)).toBe(2);
  for (let i = 0; i < 10; i++) expect(burst.turn(keeps)).toBe(2);
});
