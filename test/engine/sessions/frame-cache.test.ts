import { expect, test } from "vitest";
import { FrameCache } from "../../../src/engine/sessions/frame-cache.ts";
import { jsonCodec } from "../../../src/wire/json-codec.ts";

test("parts are joined in their order", () => {
  const joint = new FrameCache(jsonCodec);
  expect(joint.frameOf("a", ["b", "c"])).toBe("a\nb\nc");
});

test("parts that differ anywhere from the last ones are joined again", () => {
  const joint = new FrameCache(jsonCodec);
  const parts: [string, string[]][] = [
    ["a", ["b", "c"]],
    ["x", ["b", "c"]],
    ["x", ["b", "d"]],
    ["x", ["b"]],
    ["x", ["b", "d"]],
  ];
  for (const [first, rest] of parts) expect(joint.frameOf(first, rest)).toBe([first, ...rest].join("\n"));
});

test("after a clear the parts are joined again", () => {
  const joint = new FrameCache(jsonCodec);
  joint.frameOf("a", ["b"]);
  joint.clear();
  expect(joint.frameOf("")).toBe("");
  expect(joint.frameOf("a", ["b"])).toBe("a\nb");
});
