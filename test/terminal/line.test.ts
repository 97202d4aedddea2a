import { expect, test } from "vitest";
import { output, progress } from "../../src/run.ts";
import { type Paint, unpainted } from "../../src/terminal/cells.ts";
import { jsonOf, lineOf } from "../../src/terminal/line.ts";

const at = { channel: "run:1", offset: 7, epoch: "e", time: Date.UTC(2026, 0, 1) };
const lines: [unknown, string][] = [
  [{ type: "run.started", run: "1" }, "started"],
  [{ type: "run.started", run: "1", name: "render" }, 'started "render"'],
  [progress(3, 10), "progress 30% (3 of 10)"],
  [progress(2, 3, { page: 2 }), 'progress 66% (2 of 3) {"page":2}'],
  [{ type: "progress", step: "rendering" }, 'progress {"step":"rendering"}'],
  [output("two\nlines"), "two\\nlines"],
  [output({ a: 1 }), '{"a":1}'],
  [{ type: "run.completed", run: "1" }, "completed"],
  [{ type: "run.completed", run: "1", result: { url: "/a" } }, 'completed {"url":"/a"}'],
  [{ type: "run.failed", run: "1", error: { name: "TypeError", message: "No" } }, "failed TypeError: No"],
  [{ type: "run.cancelled", run: "1", by: "client", reason: "enough" }, "cancelled by the client: enough"],
  [{ type: "run.cancelled", run: "1", by: "signal" }, "cancelled by the caller"],
  [{ type: "run.cancelled", run: "1", by: "shutdown" }, "cancelled as the server shut down"],
  [{ type: "constructor", a: 1 }, 'constructor {"a":1}'],
  [{ a: "\u001b[2J" }, '{"a":"\\u001b[2J"}'],
  ["text", "text"],
  [null, "null"],
  [[1], "[1]"],
];

test.each(lines)("%j is told to people", (data, text) => {
  expect(lineOf({ ...at, data }, unpainted)).toBe(`2026-01-01T00:00:00.000Z run:1 ${text}`);
});

test("a line is painted in parts, by their meaning", () => {
  const paint: Paint = (style, text) => `<${style} ${text}>`;
  const data = { type: "run.failed", run: "1", error: { name: "Error", message: "No" } };
  expect(lineOf({ ...at, data }, paint)).toBe(
    "<dim 2026-01-01T00:00:00.000Z> <bold run:1> <red failed Error: No>",
  );
});

test("JSON output holds everything, on one line", () => {
  const line = jsonOf({ ...at, data: { text: "a\n\u009b" }, tags: { kind: "x" } });
  expect(line).toBe(
    '{"channel":"run:1","offset":7,"epoch":"e","time":1767225600000,"data":{"text":"a\\n\\u009b"},"tags":{"kind":"x"}}',
  );
});
