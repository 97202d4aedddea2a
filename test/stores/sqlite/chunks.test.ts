import { expect } from "vitest";
import { upTo } from "../../support/core.ts";
import { live, writes } from "./object-tools.ts";
import { append, count, fill, gather, hour, offsets, payloads, rows, test, thrown } from "./tools.ts";

const extended = "UPDATE tocsin_chunks";
const inserted = ["INSERT tocsin_chunks", "UPDATE tocsin_channels"];

test("a publication of its own writes one row; every 64th begins a chunk, and writes the row of its channel", () => {
  const { log, storage } = live();
  append(log, "a", "1");
  const from = storage.statements.length;
  for (let number = 2; number <= 129; number++) append(log, "a", "1");
  const wanted = Array.from({ length: 128 }, (_, at) => ((at + 1) % 64 === 0 ? inserted : [extended]));
  expect(writes(storage, from)).toEqual(wanted.flat());
});

test("a chunk takes no more publications once it has 8 192 bytes", () => {
  const { log, database } = live();
  for (const length of [4_000, 4_000, 192, 1, 8_191, 1]) append(log, "a", "x".repeat(length));
  expect(rows(database, "SELECT count, bytes FROM tocsin_chunks")).toEqual([
    { count: 3, bytes: 8_192 },
    { count: 2, bytes: 8_192 },
    { count: 1, bytes: 1 },
  ]);
});

test("what is committed at once is in chunks of 128 publications and 32 768 bytes at most, but for one that has more", () => {
  const { log, database } = live();
  fill(log, "many", 300);
  for (const length of [20_000, 12_768, 1, 40_000, 1, 1]) gather(log, "large", "x".repeat(length));
  log.commit();
  expect(rows(database, "SELECT count, bytes FROM tocsin_chunks")).toEqual([
    ...[128, 128, 44].map((number) => ({ count: number, bytes: number })),
    { count: 2, bytes: 32_768 },
    { count: 1, bytes: 1 },
    { count: 1, bytes: 40_000 },
    { count: 2, bytes: 2 },
  ]);
  expect(payloads(log, "large").map(({ length }) => length)).toEqual([20_000, 12_768, 1, 40_000, 1, 1]);
});

test("payloads, times and tags are read as they were appended, in this life and in the next", () => {
  const { log, database, clock } = live();
  const appended = [
    { data: '""', time: 0 },
    { data: '"a\\nb\\u0000 ä 漢 😀"', time: clock.time(), tags: { "a,b": '"]', "\n": "\0\ud800" } },
    { data: '"\\ud800"', time: clock.time() },
    { data: "{}", time: Infinity },
    { data: "[]", time: -Infinity, tags: {} },
    { data: "1", time: 1.5 },
  ];
  for (const { data, ...options } of appended) append(log, "a", data, options);
  const wanted = appended.map((each, at) => ({ tags: undefined, ...each, offset: at + 1 }));
  expect(log.read("a", {}).entries).toEqual(wanted);
  expect(live({ database, clock }).log.read("a", {}).entries).toEqual(wanted);
});

test("a part of a chunk is read by any position, limit and last", () => {
  const { log } = live();
  fill(log, "a", 150);
  const { epoch } = append(log, "a", "2");
  const read = (options: object) => log.read("a", options).entries.map(({ offset }) => offset);
  expect(read({ after: { offset: 100, epoch }, limit: 40 })).toEqual(upTo(140, 101));
  expect(read({ last: 3 })).toEqual([149, 150, 151]);
  expect(read({ after: { offset: 128, epoch }, limit: 1 })).toEqual([129]);
  expect(read({ after: { offset: 151, epoch } })).toEqual([]);
});

test("a chunk stays in the table until all of it is over, and what is over in it is never read", () => {
  const { log, database, clock } = live({ size: 10, slack: 0 });
  fill(log, "a", 100);
  expect([offsets(log, "a"), count(database, "chunks")]).toEqual([upTo(100, 91), 1]);
  for (let number = 0; number < 9; number++) append(log, "a", "1");
  const next = live({ database, clock, size: 10, slack: 0 });
  for (const each of [log, next.log]) expect(offsets(each, "a")).toEqual(upTo(109, 100));
  expect(count(database, "chunks")).toBe(2);
  fill(log, "a", 64);
  expect([offsets(log, "a"), count(database, "chunks")]).toEqual([upTo(173, 164), 1]);
});

test("what expires in an idle channel leaves the storage by commits to others", async () => {
  const { log, database, clock } = live({ ttl: 60_000 });
  for (let number = 0; number < 200; number++) append(log, "a", "1");
  await clock.advance(60_000);
  append(log, "b", "1");
  expect([count(database, "chunks"), log.read("a", {})]).toMatchObject([1, { top: 200, first: 201 }]);
  const { log: next } = live({ database, clock, ttl: 60_000 });
  expect(append(next, "a", "1").offset).toBe(201);
});

test("the time to live of a publication counts from its own append, also after an empty channel and a next life", async () => {
  const { log, database, clock } = live({ ttl: 60_000 });
  for (let number = 0; number < 3; number++) append(log, "a", "1");
  await clock.advance(60_000);
  append(log, "a", "4");
  await clock.advance(30_000);
  append(log, "a", "5");
  await clock.advance(29_999);
  expect(offsets(live({ database, clock, ttl: 60_000 }).log, "a")).toEqual([4, 5]);
  await clock.advance(1);
  expect(offsets(live({ database, clock, ttl: 60_000 }).log, "a")).toEqual([5]);
});

test("the time to live counts from its own append, also after a life that kept nothing", async () => {
  const { log, database, clock } = live({ ttl: 60_000, size: 0, slack: 0 });
  append(log, "a", "1");
  await clock.advance(30_000);
  append(live({ database, clock, ttl: 60_000 }).log, "a", "2");
  await clock.advance(59_999);
  expect(offsets(live({ database, clock, ttl: 60_000 }).log, "a")).toEqual([2]);
});

test("a channel is remembered for 24 hours after the last append, which was added to a chunk in an earlier life", async () => {
  const { log, database, clock } = live({ ttl: 13 * hour });
  append(log, "a", "1");
  await clock.advance(12 * hour);
  const position = append(log, "a", "2");
  await clock.advance(14 * hour);
  const { log: next } = live({ database, clock, ttl: 13 * hour });
  append(next, "b", "1");
  expect(count(database, "chunks")).toBe(1);
  expect(append(next, "a", "3")).toEqual({ ...position, offset: 3 });
});

test("the row of a channel says what is left whenever chunks are removed", () => {
  const { log, storage, database } = live({ size: 10, slack: 0 });
  const removals: unknown[] = [];
  for (let number = 1; number <= 300; number++) {
    const from = storage.statements.length;
    append(log, "a", "1");
    const isRemoved = writes(storage, from).includes("DELETE tocsin_chunks");
    if (isRemoved) removals.push(...rows(database, "SELECT top, first, floor FROM tocsin_channels"));
  }
  expect(removals).toEqual([74, 138, 202, 266].map((top) => ({ top, first: top - 9, floor: top - 9 })));
});

test("a payload with a line break is refused for good, and the log goes on", () => {
  const { log } = live();
  gather(log, "a", "1");
  expect(thrown(() => gather(log, "a", "[\n1]"))).toMatchObject({
    name: "LogError",
    lasting: true,
    message: 'Cannot append to "a": its payload has a line break. Give it JSON text without one',
  });
  log.commit();
  expect(payloads(log, "a")).toEqual(["1"]);
});

test("offsets go on beyond 32 bits, and no chunk has some on both sides of that", () => {
  const { log, database, clock } = live();
  append(log, "a", "0");
  const edge = 2 ** 32;
  const top = `top = ${edge - 4}, first = ${edge - 3}, floor = ${edge - 3}, base = total`;
  database.exec(`UPDATE tocsin_channels SET ${top}`);
  database.exec("DELETE FROM tocsin_chunks");
  const bounds = { database, clock, size: 6, slack: 0 };
  let { log: next } = live(bounds);
  append(next, "a", "1");
  for (const numbers of [["2"], ["3", "4", "5"], ["6"]]) {
    ({ log: next } = live(bounds));
    for (const data of numbers) gather(next, "a", data);
    next.commit();
  }
  expect(rows(database, "SELECT id & 4294967295 AS low, count FROM tocsin_chunks ORDER BY low")).toEqual([
    { low: 0, count: 3 },
    { low: edge - 3, count: 2 },
    { low: edge - 1, count: 1 },
  ]);
  const { epoch, entries } = next.read("a", {});
  expect(entries.map(({ offset, data }) => [offset - edge, data])).toEqual([
    [-3, "1"],
    [-2, "2"],
    [-1, "3"],
    [0, "4"],
    [1, "5"],
    [2, "6"],
  ]);
  const slice = next.read("a", { after: { offset: edge - 2, epoch }, limit: 2 });
  expect(slice.entries.map(({ data }) => data)).toEqual(["3", "4"]);
  for (let more = 0; more < 70; more++) append(next, "a", "x");
  expect([offsets(next, "a")[0], count(database, "chunks")]).toEqual([edge + 67, 2]);
});

test("ids of channels above 31 bits find their chunks", () => {
  const { log, database, clock } = live();
  append(log, "one", "1");
  append(log, "two", "2");
  database.exec("UPDATE tocsin_channels SET id = 4294967295 WHERE name = 'two'");
  database.exec("UPDATE tocsin_chunks SET id = (4294967295 << 32) | 1 WHERE id = (2 << 32) | 1");
  const { log: next } = live({ database, clock });
  append(next, "two", "3");
  expect([payloads(next, "one"), payloads(next, "two")]).toEqual([["1"], ["2", "3"]]);
});
