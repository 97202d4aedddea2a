import { expect } from "vitest";
import { temporaryPath } from "../../support/sqlite.ts";
import { append, count, day, fill, gather, hour, offsets, restart, rows, start, test } from "./tools.ts";

const entryCost = 192;
const data = "x".repeat(308); // 500 with the cost of an entry

test("above totalBytes the oldest publications of all channels go, until a little less is left", async () => {
  const { log, database, clock } = start({ totalBytes: 64_000 });
  for (let number = 0; number < 128; number++) {
    append(log, number % 2 === 0 ? "even" : "odd", data);
    await clock.advance(1_000);
  }
  expect([offsets(log, "even").length, offsets(log, "odd").length]).toEqual([64, 64]);
  append(log, "odd", data);
  // 64 500 bytes are three publications above 63 000. A batch takes a little more from one channel than from another.
  const left = [offsets(log, "even").length, offsets(log, "odd").length];
  expect(left).toEqual([61, 65]);
  expect(rows(database, "SELECT name FROM tocsin_channels ORDER BY oldest")).toHaveLength(2);
});

test("totalBytes takes old publications of a quiet channel before new ones of a loud one, but no new one of a quiet one", async () => {
  const { log, clock } = start({ totalBytes: 50_000, size: Infinity, bytes: Infinity });
  append(log, "quiet", data);
  await clock.advance(hour);
  for (let number = 0; number < 98; number++) {
    append(log, "loud", data);
    await clock.advance(1_000);
  }
  append(log, "quiet", data);
  for (let number = 0; number < 3; number++) append(log, "loud", data);
  expect([offsets(log, "quiet"), offsets(log, "loud").length]).toEqual([[2], 99]);
});

test("totalBytes counts 192 bytes for each publication, and is known after a restart", async () => {
  const path = temporaryPath();
  const first = start({ path });
  fill(first.log, "a", 100, "12345678");
  const second = await restart(first, { path, totalBytes: 100 * (entryCost + 8) + 10 });
  append(second.log, "b", "1");
  expect(offsets(second.log, "a")).toHaveLength(97);
});

test("a commit that is far above totalBytes trims in as many commits as it takes", () => {
  const { log } = start({ totalBytes: 10_000, size: Infinity, bytes: Infinity });
  for (let number = 0; number < 400; number++) gather(log, `c${number}`, data);
  log.commit();
  const kept = () =>
    Array.from({ length: 400 }, (_, at) => offsets(log, `c${at}`).length).filter(Boolean).length;
  expect(kept()).toBe(400 - 128);
  for (let commits = 0; commits < 3; commits++) append(log, "more", data);
  expect(kept()).toBeLessThanOrEqual(20);
});

test("channels, writers and keys that are over leave the database", async () => {
  const { log, database, clock } = start({ ttl: 60_000, lease: day });
  for (let number = 0; number < 100; number++) {
    gather(log, `c${number}`, "1", { once: { by: "w", n: 1 }, key: { text: "k", ttl: 60_000 } });
  }
  log.commit();
  expect([count(database, "channels"), count(database, "writers"), count(database, "keys")]).toEqual([
    100, 100, 100,
  ]);
  await clock.advance(hour);
  for (let commits = 0; commits < 5; commits++) append(log, "other", "1");
  expect([count(database, "writers"), count(database, "keys"), count(database, "entries")]).toEqual([
    0, 0, 5,
  ]);
  await clock.advance(2 * day);
  for (let commits = 0; commits < 5; commits++) append(log, "other", "1");
  expect([count(database, "channels"), count(database, "entries")]).toEqual([1, 5]);
});

test("a channel that kept its publications for ever follows the options within a day of a restart", async () => {
  const path = temporaryPath();
  const first = start({ path, ttl: Infinity, lease: day });
  append(first.log, "a", "1");
  const second = await restart(first, { path, ttl: 60_000, lease: day });
  await second.clock.advance(day - 1);
  append(second.log, "b", "1");
  expect(count(second.database, "entries")).toBe(2);
  await second.clock.advance(250);
  append(second.log, "b", "1");
  expect(count(second.database, "entries")).toBe(2);
  expect(rows(second.database, "SELECT name FROM tocsin_channels")).toEqual([{ name: "b" }]);
});

test("a channel is remembered while it is watched, and while a key of it is remembered", async () => {
  const { log, database, clock } = start({ ttl: 60_000, lease: day });
  const watched = append(log, "watched", "1");
  const keyed = append(log, "keyed", "1", { key: { text: "k", ttl: 10 * day } });
  append(log, "other", "1");
  const watch = log.watch("watched", () => {});
  await clock.advance(3 * day);
  append(log, "more", "1");
  expect(rows(database, "SELECT name FROM tocsin_channels ORDER BY name").map(({ name }) => name)).toEqual([
    ...["keyed", "more", "watched"],
  ]);
  expect(append(log, "watched", "2")).toEqual({ ...watched, offset: 2 });
  expect(append(log, "keyed", "x", { key: { text: "k", ttl: 10 * day } })).toEqual(keyed);
  await watch[Symbol.asyncDispose]();
  await clock.advance(11 * day);
  append(log, "more", "1");
  expect(count(database, "channels")).toBe(1);
});

test("unknown channels have one epoch each until channels are forgotten, and those that are watched keep theirs", async () => {
  const { log, clock } = start({ ttl: 60_000, lease: day });
  const old = append(log, "old", "1");
  const watch = log.watch("watched", () => {});
  const [watched, free, other] = ["watched", "free", "other"].map((name) => log.read(name, {}).epoch);
  expect(new Set([watched, free, other]).size).toBe(3);
  await clock.advance(day - 1);
  append(log, "more", "1");
  expect(log.read("free", {}).epoch).toBe(free);
  await clock.advance(2 * day);
  append(log, "more", "1");
  expect(log.read("old", { after: { ...old, offset: 0 } }).gapless).toBe(false);
  expect(log.read("watched", {}).epoch).toBe(watched);
  expect(append(log, "watched", "1")).toEqual({ offset: 1, epoch: watched });
  expect(log.read("never read", {}).epoch.split(".")[0]).not.toBe(free?.split(".")[0]);
  await watch[Symbol.asyncDispose]();
});

test("ids of channels begin again after four billion, and pass over those in use", async () => {
  const path = temporaryPath();
  const first = start({ path });
  append(first.log, "one", "1");
  append(first.log, "two", "2");
  first.database.exec("UPDATE tocsin_channels SET id = 4294967295 WHERE name = 'two'");
  first.database.exec("UPDATE tocsin_entries SET id = (4294967295 << 32) | 1 WHERE id = (2 << 32) | 1");
  const { log, database } = await restart(first, { path });
  append(log, "three", "3");
  append(log, "four", "4");
  expect(rows(database, "SELECT id, name FROM tocsin_channels ORDER BY id")).toEqual([
    { id: 1, name: "one" },
    { id: 2, name: "three" },
    { id: 3, name: "four" },
    { id: 4_294_967_295, name: "two" },
  ]);
  expect(log.read("two", {}).entries).toMatchObject([{ data: "2" }]);
});

test("10 000 channels that nobody uses stay in memory, and watched ones besides", () => {
  const { log } = start();
  append(log, "a", "1");
  for (let number = 0; number < 12_000; number++) log.read(`c${number}`, { limit: 0 });
  const idle = log.bytes;
  for (let number = 0; number < 100; number++) log.watch(`w${number}`, () => {});
  for (let number = 0; number < 12_000; number++) log.read(`d${number}`, { limit: 0 });
  expect([idle, log.bytes - idle]).toEqual([10_000 * 768, 100 * 768]);
  for (let number = 0; number < 10; number++) gather(log, "a", "12345678");
  expect(log.bytes - idle - 100 * 768).toBe(10 * (512 + 8));
});
