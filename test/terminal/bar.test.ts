import { expect, test } from "vitest";
import type { Publication } from "../../src/model/publication.ts";
import { output, progress } from "../../src/run.ts";
import { advanced, type Bar, barOf, barsOf, endingOf } from "../../src/terminal/bar.ts";
import { cellsOf, type Paint, unpainted } from "../../src/terminal/cells.ts";

const run = "1";

/** Returns the bar after these events, which are `ms` milliseconds apart. */
function after(events: readonly unknown[], ms = 1_000, id = run): Bar {
  const publications = events.map((data, index) => published(data, index * ms, id));
  return publications.reduce(advanced, barOf(id));
}

function published(data: unknown, time = 0, id = run): Publication {
  return { channel: `run:${id}`, offset: 1, epoch: "e", data, time };
}

const started = { type: "run.started", run, name: "Render" };
const completed = { type: "run.completed", run, result: { url: "/a" } };
const failed = { type: "run.failed", run, error: { name: "Error", message: "No\npaper" } };
const cancelled = { type: "run.cancelled", run, by: "client", reason: "enough" };
const [waiting, half] = [barOf(run), after([started, progress(5, 10)])];

const drawings: [string, Bar, string][] = [
  ["has no event yet", waiting, "1  ░░░░░░░░░░░░░░░░░░░       waiting"],
  ["works", after([started]), "Render  ░░░░░░░░░░░░░░░░░       working"],
  ["is half done", half, "Render  ████████░░░░░░░░░  50%  5/10"],
  [
    "has a progress message",
    after([started, progress(5, 10, { message: "page 5" })]),
    "Render  ████████░░░░░░░░░  50%  5/10  page 5",
  ],
  [
    "has a percentage from its agent",
    after([started, { type: "agent_thinking", thought: "?", progress_percentage: 25 }]),
    "Render  ████░░░░░░░░░░░░░  25%  working",
  ],
  ["completed", after([started, completed]), 'Render  █████████████████ 100%  completed after 1.0 s  {"ur…'],
  [
    "failed",
    after([started, progress(5, 10), failed], 61_000),
    "Render  ████████░░░░░░░░░  50%  failed after 2 min 2 s  Err…",
  ],
  [
    "was cancelled",
    after([started, cancelled], 3_723_000),
    "Render  ░░░░░░░░░░░░░░░░░       cancelled after 1 h 2 min  …",
  ],
  [
    "completed without its start event",
    after([completed]),
    '1  ███████████████████ 100%  completed  {"url":"/a"}',
  ],
];

test.each(drawings)("a run that %s is drawn", (_, bar, drawing) => {
  expect(barsOf([bar], 60, unpainted)).toEqual([drawing]);
});

test("an event without progress leaves the bar unchanged", () => {
  for (const data of [output("line"), "text", null, 3, { type: "progress", progress: 7 }]) {
    expect(advanced(half, published(data))).toBe(half);
  }
});

test("bars stand one below the other, and no line is longer than the terminal is wide", () => {
  const names = ["Render", "顧客のインポート", "a".repeat(50), "\u001b[2J"];
  const bars = names.map((name) => after([{ ...started, name }, progress(1, 3), failed]));
  for (const width of [20, 40, 49, 50, 79, 200]) {
    const lines = barsOf(bars, width, unpainted);
    expect(lines.filter((line) => cellsOf(line) > width)).toEqual([]);
    const places = lines.map((line) => cellsOf(line.split(/█| {2}33%| {3}33%/)[0] ?? ""));
    expect(new Set(places).size).toBe(1);
    expect(lines.join("")).not.toContain("\u001b");
  }
});

test("a narrow terminal has no bars, and complete text is not cut", () => {
  const bar = after([started, progress(5, 10), failed]);
  expect(barsOf([bar], 30, unpainted)).toEqual([
    "Render   50%  failed after 2.0 s…".slice(0, 29).concat("…"),
  ]);
  expect(barsOf([bar], 30, unpainted, true)).toEqual(["Render   50%  failed after 2.0 s  Error: No\\npaper"]);
});

test("runs with the same name are distinguished by their ids", () => {
  const bars = ["0123456789", "abcdefghij"].map((id) => after([started], 0, id));
  const labels = barsOf(bars, 80, unpainted).map((line) => line.split("  ")[0]);
  expect(labels).toEqual(["Render 01234567", "Render abcdefgh"]);
});

test("a bar is painted in the colour of its status", () => {
  const paint: Paint = (style, text) => `<${style} ${text}>`;
  expect(barsOf([after([started, progress(5, 10), failed])], 50, paint, true)).toEqual([
    "Render  <red ███████><dim ░░░░░░░> <red  50%  failed after 2.0 s  Error: No\\npaper>",
  ]);
});

test("only the run's own channel ends its bar", () => {
  const endings = [started, completed, failed, cancelled, null, "run.completed"].map((data) =>
    endingOf(published(data)),
  );
  expect(endings).toEqual([undefined, "completed", "failed", "cancelled", undefined, undefined]);
  expect(endingOf({ ...published(completed), channel: "reports" })).toBeUndefined();
});
