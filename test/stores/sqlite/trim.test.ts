import fc from "fast-check";
import { fakeClock } from "tocsin/testing";
import { expect } from "vitest";
import type { Retention, Slice } from "../../../src/model/log.ts";
import { memoryLog } from "../../../src/stores/memory.ts";
import { upTo } from "../../support/core.ts";
import { append, count, fill, offsets, rows, start, test } from "./tools.ts";

test("a channel is trimmed as in the memory log, whatever is appended, and whenever", async () => {
  const few = fc.integer({ min: 0, max: 6 });
  const retention = fc.record<Retention>({
    size: few,
    bytes: fc.integer({ min: 0, max: 40 }),
    ttl: fc.constantFrom(0, 1, 5_000, 20_000, Infinity),
    slack: fc.constantFrom(0, 1, 400, 1_000, Infinity),
  });
  const step = fc.record({
    ms: fc.constantFrom(0, 1, 999, 5_000, 10_000),
    lengths: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 8 }),
    retention: fc.option(retention, { nil: undefined, freq: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const bounds = { size: 4, bytes: 30, ttl: 60_000, slack: 700 };
      const { log, clock } = start(bounds);
      const memory = memoryLog({ ...bounds, clock });
      for (const { ms, lengths, retention } of steps) {
        await clock.advance(ms);
        for (const length of lengths) {
          const options = { time: 0, retention };
          memory.append("a", "x".repeat(length), options);
          log.append("a", "x".repeat(length), options);
        }
        log.commit();
        const wanted: Slice = await memory.read("a", {});
        expect(log.read("a", {})).toEqual({ ...wanted, epoch: log.read("a", {}).epoch });
      }
      await log[Symbol.asyncDispose]();
      await memory[Symbol.asyncDispose]();
    }),
    { numRuns: 200 },
  );
});

test("what is over leaves the table in batches of 64, and is never read before", async () => {
  const { log, database } = start({ size: 10, slack: 0 });
  for (let appends = 1; appends <= 73; appends++) append(log, "a", "1");
  expect([offsets(log, "a"), count(database, "entries")]).toEqual([upTo(73, 64), 73]);
  append(log, "a", "1");
  expect([offsets(log, "a"), count(database, "entries")]).toEqual([upTo(74, 65), 10]);
});

test("what expires in an idle channel is removed by commits to others, without a timer", async () => {
  const { log, database, clock } = start({ ttl: 60_000 });
  fill(log, "a", 50);
  expect(clock.armed).toBe(1);
  await clock.advance(59_999);
  append(log, "b", "1");
  expect(count(database, "entries")).toBe(51);
  // The commit before looked around, and the next one waits a moment until it does.
  await clock.advance(250);
  append(log, "b", "1");
  expect(count(database, "entries")).toBe(2);
  expect(log.read("a", {})).toMatchObject({ top: 50, first: 51, entries: [] });
  expect(clock.armed).toBe(1);
});

test("of many entries that are over, a commit removes 4 096 at most, and the next ones the rest", async () => {
  const { log, database, clock } = start({ ttl: 60_000, size: Infinity, bytes: Infinity });
  fill(log, "a", 10_000);
  await clock.advance(120_000);
  const left: unknown[] = [];
  for (let commits = 0; commits < 4; commits++) {
    append(log, "b", "1");
    left.push(count(database, "entries"));
  }
  expect(left).toEqual([5_905, 1_810, 3, 4]);
});

test("offsets go on beyond 32 bits, and entries on both sides of that are read and trimmed", async () => {
  const bounds = { size: 6, slack: 0 };
  const { log, database, clock } = start(bounds);
  append(log, "a", "0");
  await log[Symbol.asyncDispose]();
  const edge = 2 ** 32;
  database.exec(
    `UPDATE tocsin_channels SET top = ${edge - 3}, first = ${edge - 2}, floor = ${edge - 2}, base = total`,
  );
  database.exec("DELETE FROM tocsin_entries");
  const { log: next } = start({ ...bounds, database, clock });
  for (let number = 1; number <= 6; number++) append(next, "a", String(number));
  const { epoch, entries } = next.read("a", {});
  expect(entries.map(({ offset, data }) => [offset - edge, data])).toEqual([
    [-2, "1"],
    [-1, "2"],
    [0, "3"],
    [1, "4"],
    [2, "5"],
    [3, "6"],
  ]);
  const slice = next.read("a", { after: { offset: edge, epoch }, limit: 2 });
  expect(slice.entries.map(({ data }) => data)).toEqual(["4", "5"]);
  for (let more = 0; more < 64; more++) append(next, "a", "x");
  expect([offsets(next, "a")[0], count(database, "entries")]).toEqual([edge + 62, 6]);
});

test("a clock that is set back keeps entries longer, in their order", async () => {
  const base = fakeClock();
  let back = 0;
  const clock = { ...base, time: () => base.time() - back };
  const { log, database } = start({ clock, ttl: 60_000 });
  append(log, "a", "1");
  back = 3_600_000;
  append(log, "a", "2");
  await base.advance(3_600_000 + 59_999);
  expect(offsets(log, "a")).toEqual([1, 2]);
  await base.advance(1);
  expect(offsets(log, "a")).toEqual([]);
  expect(rows(database, "SELECT DISTINCT arrived - since AS later FROM tocsin_entries, tocsin_log")).toEqual([
    { later: 0 },
  ]);
});
