import { expect } from "vitest";
import { ExistsError, SealedError } from "../../../src/model/errors.ts";
import { upTo } from "../../support/core.ts";
import { temporaryPath } from "../../support/sqlite.ts";
import { append, day, fill, offsets, payloads, recorder, restart, start, test, thrown } from "./tools.ts";

test("entries, tags, epochs and positions are there after a restart", async () => {
  const path = temporaryPath();
  const first = start({ path });
  const tags = { kind: "greeting", "": "é\0" };
  append(first.log, "a", '"one"', { time: 42, tags });
  append(first.log, "a", '"two"', { time: 43.5 });
  const before = first.log.read("a", {});
  const { log } = await restart(first, { path });
  expect(log.read("a", {})).toEqual(before);
  expect(before.entries).toEqual([
    { offset: 1, data: '"one"', time: 42, tags },
    { offset: 2, data: '"two"', time: 43.5, tags: undefined },
  ]);
  expect(append(log, "a", '"three"')).toEqual({ offset: 3, epoch: before.epoch });
});

test("a channel that was only read has the same epoch after a restart, and nothing was written for it", async () => {
  const path = temporaryPath();
  const first = start({ path });
  const { epoch } = first.log.read("a", {});
  const second = await restart(first, { path });
  expect(second.log.read("a", {})).toMatchObject({ epoch, top: 0, first: 1 });
  expect(second.database.prepare("SELECT name FROM tocsin_channels").all()).toEqual([]);
  expect(append(second.log, "a", "1")).toEqual({ offset: 1, epoch });
});

test("writers and keys are known after a restart, until they expire", async () => {
  const path = temporaryPath();
  const first = start({ path });
  const once = { by: "w\ud800", n: 1 };
  const key = { text: "order\0 7", ttl: 60_000 };
  append(first.log, "a", "1", { once, key });
  const second = await restart(first, { path });
  expect(append(second.log, "a", "x", { once }).offset).toBe(1);
  expect(append(second.log, "a", "x", { key }).offset).toBe(1);
  expect(() => append(second.log, "a", "x", { once: { ...once, n: 3 } })).toThrow("its last was 1");
  await second.clock.advance(59_999);
  const third = await restart(second, { path });
  expect(append(third.log, "a", "x", { key }).offset).toBe(1);
  await third.clock.advance(1);
  expect(append(third.log, "a", "2", { key }).offset).toBe(2);
  await third.clock.advance(540_000);
  expect(append(third.log, "a", "3", { once }).offset).toBe(3);
});

test("state, seal and the retention of an append are there after a restart", async () => {
  const path = temporaryPath();
  const first = start({ path });
  for (const data of ["1", "2", "3", "4"]) {
    append(first.log, "a", data, { state: "go\0 on", retention: { size: 2, ttl: Infinity, slack: 0 } });
  }
  append(first.log, "b", "1", { place: "last", retention: { size: 0, slack: 0 } });
  const { log } = await restart(first, { path, bytes: 5_000 });
  expect(log.keeps("a")).toEqual({ size: 2, bytes: 5_000, ttl: Infinity, slack: 0 });
  expect(log.read("a", {})).toMatchObject({ state: "go\0 on", first: 3, sealed: undefined });
  expect(log.read("b", {})).toMatchObject({ sealed: true, top: 1, first: 2 });
  expect(thrown(() => append(log, "b", "2"))).toBeInstanceOf(SealedError);
  expect(thrown(() => append(log, "a", "5", { place: "first" }))).toBeInstanceOf(ExistsError);
  const { epoch } = append(log, "b", "2", { place: "first" });
  expect(log.read("b", {})).toMatchObject({ epoch, sealed: undefined, top: 1, first: 1 });
});

test("a channel without a retention of its own follows the options after a restart", async () => {
  const path = temporaryPath();
  const first = start({ path });
  fill(first.log, "a", 5);
  const { log } = await restart(first, { path, size: 2, slack: 0 });
  expect(log.keeps("a").size).toBe(2);
  expect(offsets(log, "a")).toEqual([4, 5]);
});

test("ages go on while no process runs", async () => {
  const path = temporaryPath();
  const first = start({ path, ttl: 1_000 });
  append(first.log, "a", "1");
  await first.log[Symbol.asyncDispose]();
  await first.clock.advance(999);
  const second = await restart(first, { path, ttl: 1_000 });
  expect(payloads(second.log, "a")).toEqual(["1"]);
  await second.clock.advance(1);
  const third = await restart(second, { path, ttl: 1_000 });
  expect(third.log.read("a", {})).toMatchObject({ top: 1, first: 2, entries: [] });
});

test("what is over slack before a restart is over after it", async () => {
  const path = temporaryPath();
  const options = { path, size: 2, slack: 3 * 193 };
  const first = start(options);
  fill(first.log, "a", 9);
  expect(offsets(first.log, "a")).toEqual([5, 6, 7, 8, 9]);
  const second = await restart(first, options);
  expect(offsets(second.log, "a")).toEqual([5, 6, 7, 8, 9]);
  await second.clock.advance(10_000);
  expect(offsets(second.log, "a")).toEqual([8, 9]);
});

test("records that were held are inherited after a restart, with their positions", async () => {
  const path = temporaryPath();
  const first = start({ path });
  await first.log.join(recorder());
  const position = append(first.log, "run:\0 1", "1", { hold: "record\0" });
  const second = await restart(first, { path });
  const member = recorder();
  await second.log.join(member);
  expect(member.records).toEqual([{ record: "record\0", channel: "run:\0 1", position }]);
});

test("what was gathered and not committed is dropped by the disposal", async () => {
  const path = temporaryPath();
  const first = start({ path });
  append(first.log, "a", "1");
  first.log.append("a", "2", { time: 0, state: "new", place: "last" });
  const { log } = await restart(first, { path });
  expect(log.read("a", {})).toMatchObject({ top: 1, state: undefined, sealed: undefined });
});

test("positions are kept for a day after the last append, and never come again after that", async () => {
  const path = temporaryPath();
  // Without many beats, the days pass faster.
  const options = { path, ttl: 60_000, lease: day };
  const first = start(options);
  const { epoch } = append(first.log, "a", "1");
  await first.clock.advance(day - 1);
  const second = await restart(first, options);
  for (const name of upTo(40)) append(second.log, String(name), "1");
  expect(second.log.read("a", {})).toMatchObject({ epoch, top: 1, first: 2 });
  await second.clock.advance(2 * day);
  for (const name of upTo(40)) append(second.log, String(name), "1");
  expect(second.log.read("a", { after: { offset: 0, epoch } }).gapless).toBe(false);
  const slice = second.log.read("a", { after: { offset: 1, epoch } });
  expect([slice.gapless, slice.top, slice.epoch === epoch]).toEqual([false, 0, false]);
  const third = await restart(second, options);
  const again = append(third.log, "a", "1");
  expect(again).toEqual({ offset: 1, epoch: slice.epoch });
});
