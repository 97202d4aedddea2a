import { expect, test } from "vitest";
import type { InspectedChannel } from "../../src/stores/sqlite/inspect.ts";
import { cellsOf, type Paint, unpainted } from "../../src/terminal/cells.ts";
import { ChannelTableView, channelJsonOf } from "../../src/terminal/table.ts";
import { runState } from "../support/log-file.ts";

const now = Date.UTC(2026, 0, 1);
const news: InspectedChannel = {
  ...{ channel: "news", publications: 3, bytes: 2_048, first: 8, top: 10, epoch: "0c45d8.1f" },
  ...{ newest: now - 61_000, sealed: false, state: undefined },
};
const run: InspectedChannel = {
  ...news,
  channel: "run:1",
  sealed: true,
  state: runState("1", "completed", now),
};
const wide: InspectedChannel = { ...news, channel: `a${"顧客".repeat(20)}` };
const hostile: InspectedChannel = { ...news, channel: "a\u001b[2J", epoch: "e\n" };

function drawn(channels: readonly InspectedChannel[], width: number, paint: Paint = unpainted): string[] {
  const table = new ChannelTableView(now, paint);
  for (const channel of channels) table.measure(channel);
  return [table.head(width), ...channels.map((channel) => table.row(channel, width))];
}

test("columns are as wide as their widest cell, and numbers stand right", () => {
  expect(drawn([news, run], Infinity)).toEqual([
    "channel  kept    bytes  first  top     newest  sealed  run              epoch",
    "news        3  2.0 KiB      8   10  1 min 1 s  no                       0c45d8.1f",
    "run:1       3  2.0 KiB      8   10  1 min 1 s  yes     completed Run 1  0c45d8.1f",
  ]);
});

test("wide names are cut so that the other columns have room", () => {
  expect(drawn([news, wide], 80)).toEqual([
    "channel             kept    bytes  first  top     newest  sealed  run  epoch",
    "news                   3  2.0 KiB      8   10  1 min 1 s  no           0c45d8.1f",
    "a顧客顧客顧客顧客…     3  2.0 KiB      8   10  1 min 1 s  no           0c45d8.1f",
  ]);
});

test("no line is wider than the terminal", () => {
  for (const width of [1, 5, 10, 16, 17, 20, 40, 79, 80, 200]) {
    const lines = drawn([news, run, wide, hostile], width);
    expect(lines.filter((line) => cellsOf(line) > width)).toEqual([]);
    expect(lines.join("")).not.toMatch(/\p{Cc}/u);
  }
});

test("a row is painted by the status of its run", () => {
  const paint: Paint = (style, text) => `<${style} ${text}>`;
  const [head, line] = drawn([run], Infinity, paint);
  expect(head).toBe("<dim channel  kept    bytes  first  top     newest  sealed  run              epoch>");
  expect(line).toContain("<bold run:1  >  ");
  expect(line).toContain("  <green completed Run 1>  ");
});

test("only the channel of a run has a run, and a long name of it is cut", () => {
  const { state } = run;
  const [, , named] = drawn(
    [
      { ...news, state: state as string },
      { ...run, state: state?.replace("Run 1", "x".repeat(99)) },
    ],
    Infinity,
  );
  expect(drawn([{ ...news, state }], Infinity)[1]).not.toContain("completed");
  expect(named).toContain(`completed ${"x".repeat(23)}…  `);
});

test("JSON has everything, on one line without control characters", () => {
  const { state: _, ...shown } = hostile;
  const line = channelJsonOf(hostile);
  expect([JSON.parse(line), line.includes("\u001b")]).toEqual([shown, false]);
  expect(JSON.parse(channelJsonOf({ ...news, state: "idle" }))).toMatchObject({ state: "idle" });
});
