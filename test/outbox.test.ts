import { expect, test } from "vitest";
import { Joint } from "../src/joint.ts";
import { Outbox } from "../src/outbox.ts";

test("what was added is taken as one text, in its order, and once", () => {
  const outbox = new Outbox();
  const joint = new Joint("\n");
  expect(outbox.take(joint)).toBeUndefined();
  for (const texts of [["a"], ["a", "b"], ["a", "b", "c"]]) {
    for (const text of texts) outbox.add(text);
    expect(outbox.take(joint)).toBe(texts.join("\n"));
    expect(outbox.take(joint)).toBeUndefined();
  }
});

test("what was cleared is not taken", () => {
  const outbox = new Outbox();
  outbox.add("a");
  outbox.add("b");
  outbox.clear();
  outbox.add("c");
  expect(outbox.take(new Joint("\n"))).toBe("c");
});
