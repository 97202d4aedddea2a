import { expect, test } from "vitest";
import { FrameCache } from "../../../src/engine/sessions/frame-cache.ts";
import { Outbox } from "../../../src/engine/sessions/outbox.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";

test("what was added is taken once, as one text, in order", () => {
  const outbox = new Outbox();
  const joint = new FrameCache(jsonCodec);
  expect(outbox.take(joint)).toBeUndefined();
  for (const texts of [["a"], ["a", "b"], ["a", "b", "c"]]) {
    for (const text of texts) outbox.push(text);
    expect(outbox.take(joint)).toBe(texts.join("\n"));
    expect(outbox.take(joint)).toBeUndefined();
  }
});

test("after a clear nothing is taken", () => {
  const outbox = new Outbox();
  outbox.push("a");
  outbox.push("b");
  outbox.clear();
  outbox.push("c");
  expect(outbox.take(new FrameCache(jsonCodec))).toBe("c");
});
