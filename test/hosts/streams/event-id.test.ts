import { expect, test } from "vitest";
import { finalId, idOf, isFinalId, positionsIn } from "../../../src/hosts/streams/event-id.ts";

const positions = [
  { offset: 17, epoch: "Zx9" },
  undefined,
  { offset: 0, epoch: "a,b:c %\n" },
  { offset: Number.MAX_SAFE_INTEGER, epoch: "" },
];

test("the id of an event has all positions, in one line, and is read back", () => {
  const id = idOf(positions);
  expect(id).toBe("17:Zx9,,0:a%2Cb%3Ac%20%25%0A,9007199254740991:");
  expect(positionsIn(id, 4)).toEqual(positions);
});

test("an offset may stand without an epoch", () => {
  expect(positionsIn("5", 1)).toEqual([{ offset: 5, epoch: "" }]);
  expect(positionsIn("5:,7", 2)).toEqual([
    { offset: 5, epoch: "" },
    { offset: 7, epoch: "" },
  ]);
});

test("the id of a last event says that it is one, and has its positions nevertheless", () => {
  const id = finalId(idOf([{ offset: 17, epoch: "Z;1" }]), 3503);
  expect([id, isFinalId(id)]).toEqual(["17:Z%3B1;3503", true]);
  expect(positionsIn(id, 1)).toEqual([{ offset: 17, epoch: "Z;1" }]);
  for (const other of ["", "17:Z%3B1", ";", "17:Z;x"]) expect(isFinalId(other)).toBe(false);
});

test.each(["x", "1.5", "-1", "1:%", "9007199254740993", "1,2", ":x", "12345678901234567:x"])(
  "%s is the id of no event of one channel",
  (id) => {
    expect(positionsIn(id, 1)).toBe(undefined);
  },
);
