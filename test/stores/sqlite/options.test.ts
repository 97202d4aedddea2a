import { sqliteLog } from "tocsin/sqlite";
import { expect, test as plain } from "vitest";
import { LogError } from "../../../src/model/errors.ts";
import { temporaryPath } from "../../support/sqlite.ts";
import { append, gather, offsets, restart, start, test, thrown } from "./tools.ts";

const database = { prepare: () => ({ all: () => [], run() {} }) };

plain.each([
  [{ size: -1 }, 'Cannot use size "-1": it is not a number from 0 up', RangeError],
  [{ bytes: Number.NaN }, 'Cannot use bytes "NaN": it is not a number from 0 up', RangeError],
  [{ ttl: "1" }, 'Cannot use ttl "1": it is not a number from 0 up', RangeError],
  [{ slack: null }, 'Cannot use slack "null": it is not a number from 0 up', RangeError],
  [{ totalBytes: -1 }, 'Cannot use totalBytes "-1": it is not a number from 0 up', RangeError],
  [{ lease: 0 }, 'Cannot use lease "0": it is not a number of milliseconds from 1 up', RangeError],
  [
    { lease: Infinity },
    'Cannot use lease "Infinity": it is not a number of milliseconds from 1 up',
    RangeError,
  ],
  [{ durability: "none" }, 'Cannot use durability "none": it is "power" or "process"', TypeError],
  [
    { database: "log.db" },
    "Cannot use the database: it has no prepare(). Open one, with node:sqlite for example",
    TypeError,
  ],
  [
    { database: undefined },
    "Cannot use the database: it has no prepare(). Open one, with node:sqlite for example",
    TypeError,
  ],
])("the options %o are refused: %s", (options, message, kind) => {
  expect(thrown(() => sqliteLog({ database, ...options } as never))).toEqual(new kind(message));
});

test("how much is kept may depend on the channel's name", () => {
  const { log } = start({ size: (channel) => (channel === "small" ? 2 : 4), slack: 0 });
  for (const channel of ["small", "large"]) for (let count = 0; count < 6; count++) append(log, channel, "1");
  expect([offsets(log, "small"), offsets(log, "large")]).toEqual([
    [5, 6],
    [3, 4, 5, 6],
  ]);
});

test("functions are not asked for reserved names, which have the default of a number", () => {
  const asked: string[] = [];
  const size = (channel: string) => asked.push(channel);
  const { log } = start({ size, bytes: 5_000, ttl: size, slack: size });
  append(log, "\0all", "1");
  expect(log.keeps("\0node:1")).toEqual({ size: 1_000, bytes: 5_000, ttl: 86_400_000, slack: 8_388_608 });
  expect(asked).toEqual([]);
  append(log, "a", "1");
  expect(new Set(asked)).toEqual(new Set(["a"]));
});

test("a function that fails for a channel fails that channel for good, and no other", async () => {
  const { log, clock } = start({
    ttl: 60_000,
    size: (channel) => {
      if (channel === "bad") throw new Error("no idea");
      return 10;
    },
  });
  for (const call of [() => gather(log, "bad", "1"), () => log.read("bad", {})]) {
    const error = thrown(call);
    expect(error).toBeInstanceOf(LogError);
    expect(error).toMatchObject({ message: 'Cannot bound "bad": size() threw no idea', lasting: true });
  }
  append(log, "good", "1");
  await clock.advance(120_000);
  expect(append(log, "good", "2").offset).toBe(2);
});

test("a function that begins to fail for a channel of the database fails no commit to another one", async () => {
  const path = temporaryPath();
  const first = start({ path, ttl: 60_000 });
  append(first.log, "bad", "1");
  await first.clock.advance(120_000);
  const ttl = (channel: string): number => {
    if (channel === "bad") throw new Error("no idea");
    return 60_000;
  };
  const second = await restart(first, { path, ttl, totalBytes: 300 });
  for (let count = 0; count < 5; count++) append(second.log, "good", "1");
  expect(offsets(second.log, "good")).toEqual([5]);
  expect(thrown(() => second.log.read("bad", {}))).toMatchObject({ lasting: true });
  const third = await restart(second, { path, ttl: 60_000 });
  expect(third.log.read("bad", {})).toMatchObject({ top: 1, first: 2, entries: [] });
});

test("a read takes a limit or last, not both", () => {
  const { log } = start();
  for (let count = 0; count < 5; count++) append(log, "a", "1");
  expect(thrown(() => log.read("a", { limit: 1, last: 1 }))).toEqual(
    new TypeError("Cannot read with limit and last: give one of them"),
  );
  expect(() => log.read("a", { limit: -1 })).toThrow(RangeError);
  expect(() => log.read("a", { last: Number.NaN })).toThrow(RangeError);
});

test("an append with a wrong time is refused, and the log goes on", () => {
  const { log } = start();
  for (const time of [Number.NaN, undefined, "now"]) {
    expect(thrown(() => gather(log, "a", "1", { time: time as number }))).toEqual(
      new RangeError(`Cannot use the time "${time}": it is not a number`),
    );
  }
  expect(append(log, "a", "1").offset).toBe(1);
});

test("a state has 4 096 characters at most", () => {
  const { log } = start();
  append(log, "a", "1", { state: "x".repeat(4_096) });
  expect(thrown(() => gather(log, "a", "2", { state: "x".repeat(4_097) }))).toEqual(
    new RangeError('Cannot use the state of "a": it has 4097 characters, 4096 are allowed'),
  );
  log.commit();
  expect(log.read("a", {})).toMatchObject({ top: 1, state: "x".repeat(4_096) });
});
