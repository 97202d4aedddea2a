import { expect, test } from "vitest";
import { FrameCache } from "../../../src/engine/sessions/frame-cache.ts";

test("parts are joined in their order", () => {
  const joint = new FrameCache("\n");
  expect(joint.join("a", ["b", "c"])).toBe("a\nb\nc");
});

test("parts that differ anywhere from the last ones are joined again", () => {
  const joint = new FrameCache("\n");
  const parts: [string, string[]][] = [
    ["a", ["b", "c"]],
    ["x", ["b", "c"]],
    ["x", ["b", "d"]],
    ["x", ["b"]],
    ["x", ["b", "d"]],
  ];
  for (const [first, rest] of parts) expect(joint.join(first, rest)).toBe([first, ...rest].join("\n"));
});

test("after a clear the parts are joined again", () => {
  const joint = new FrameCache(" ");
  joint.join("a", ["b"]);
  joint.clear();
  expect(joint.join("", [])).toBe("");
  expect(joint.join("a", ["b"])).toBe("a b");
});
