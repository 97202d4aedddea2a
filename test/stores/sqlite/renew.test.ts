import { expect } from "vitest";
import { temporaryPath } from "../../support/sqlite.ts";
import { append, gather, payloads, restart, start, test } from "./tools.ts";

test("renewed, a channel goes on in another epoch, and positions up to its top stay good", async () => {
  const { log } = start();
  for (const data of ["1", "2", "3"]) append(log, "a", data);
  const { epoch } = log.read("a", {});
  log.renew();
  const slice = log.read("a", {});
  expect(slice.epoch).not.toBe(epoch);
  expect(slice).toMatchObject({ top: 3, first: 1, lineage: [{ offset: 3, epoch }] });
  expect(append(log, "a", "4")).toEqual({ offset: 4, epoch: slice.epoch });
  for (const [offset, wanted] of [
    [0, ["1", "2", "3", "4"]],
    [3, ["4"]],
  ] as const) {
    const { gapless, entries } = log.read("a", { after: { offset, epoch } });
    expect([gapless, entries.map(({ data }) => data)]).toEqual([true, wanted]);
  }
  expect(log.read("a", { after: { offset: 4, epoch } })).toMatchObject({ gapless: false, entries: [] });
  expect(log.read("a", { after: { offset: 4, epoch: slice.epoch } }).gapless).toBe(true);
});

test("a channel remembers the last eight epochs that it continues, also after a restart", async () => {
  const path = temporaryPath();
  const first = start({ path });
  const epochs: string[] = [];
  for (let number = 1; number <= 10; number++) {
    epochs.push(append(first.log, "a", String(number)).epoch);
    first.log.renew();
  }
  const { log } = await restart(first, { path });
  const lineage = epochs.map((epoch, index) => ({ offset: index + 1, epoch })).reverse();
  expect(log.read("a", {}).lineage).toEqual(lineage.slice(0, 8));
  const positions = epochs.map((epoch, index) => ({ offset: index + 1, epoch }));
  expect(positions.map((after) => log.read("a", { after }).gapless)).toEqual([
    ...[false, false],
    ...Array.from({ length: 8 }, () => true),
  ]);
});

test("renewed, a channel without appends has another epoch, and its start stays good", () => {
  const { log } = start();
  const { epoch } = log.read("a", {});
  append(log, "b", "1");
  log.renew();
  const slice = log.read("a", {});
  expect(slice.lineage).toEqual([{ offset: 0, epoch }]);
  expect(append(log, "a", "1")).toEqual({ offset: 1, epoch: slice.epoch });
  expect(log.read("a", { after: { offset: 0, epoch } })).toMatchObject({ gapless: true, top: 1 });
  expect(log.read("a", { after: { offset: 1, epoch } }).gapless).toBe(false);
});

test("of a database that was restored from a copy, no position comes twice", async () => {
  const [path, copy] = [temporaryPath(), temporaryPath()];
  const first = start({ path });
  append(first.log, "a", "1");
  await first.log[Symbol.asyncDispose]();
  first.database.exec(`VACUUM INTO '${copy}'`);
  const second = await restart(first, { path });
  const lost = [append(second.log, "a", "lost"), append(second.log, "b", "lost")];
  const restored = start({ path: copy, clock: first.clock });
  restored.log.renew();
  const again = [append(restored.log, "a", "2"), append(restored.log, "b", "1")];
  expect(again.map(({ offset }) => offset)).toEqual(lost.map(({ offset }) => offset));
  for (const [at, name] of ["a", "b"].entries()) {
    expect(again[at]?.epoch).not.toBe(lost[at]?.epoch);
    expect(restored.log.read(name, { after: lost[at] }).gapless).toBe(false);
  }
  expect(restored.log.read("a", { after: { offset: 1, epoch: lost[0]?.epoch ?? "" } })).toMatchObject({
    gapless: true,
    entries: [{ data: "2" }],
  });
});

test("renew commits what is gathered first, and wakes all watchers", () => {
  const { log } = start();
  const wakes: unknown[] = [];
  log.watch("a", (hint) => wakes.push(hint));
  const { epoch } = gather(log, "a", "1");
  log.renew();
  expect(wakes).toEqual([{ offset: 1, data: "1", time: 0, epoch }, undefined]);
  expect(log.read("a", { after: { offset: 1, epoch } })).toMatchObject({ top: 1, gapless: true });
});

test("a channel that begins anew after renewing forgets what it continued", () => {
  const { log } = start();
  const { epoch } = append(log, "a", "1", { place: "last", retention: { size: 0, slack: 0 } });
  log.renew();
  append(log, "a", "2", { place: "first" });
  expect(log.read("a", {}).lineage).toBeUndefined();
  expect(log.read("a", { after: { offset: 1, epoch } }).gapless).toBe(false);
});

test.for([
  ["power", "disposed", false],
  ["power", "killed", false],
  ["process", "disposed", false],
  ["process", "killed", true],
] as const)("with durability %s, a process that was %s: epochs end: %s", async ([durability, end, ends]) => {
  const path = temporaryPath();
  const first = start({ path, durability });
  const { epoch } = append(first.log, "a", "1");
  if (end === "disposed") await first.log[Symbol.asyncDispose]();
  const second = start({ path, clock: first.clock });
  await first.clock.advance(0);
  second.database.exec("UPDATE tocsin_log SET beat = beat - 10000");
  append(second.log, "b", "1");
  const slice = second.log.read("a", { after: { offset: 1, epoch } });
  expect([slice.gapless, slice.epoch !== epoch]).toEqual([true, ends]);
  expect(slice.lineage).toEqual(ends ? [{ offset: 1, epoch }] : undefined);
  expect(payloads(second.log, "a")).toEqual(["1"]);
  expect(second.log.read("a", { after: { offset: 2, epoch } }).gapless).toBe(false);
});

test("each durability has its own way to commit, and both own the database on the disk at once", async () => {
  const kinds: unknown[] = [];
  for (const durability of ["power", "process"] as const) {
    const { log, database } = start({ path: temporaryPath(), durability });
    const told: string[] = [];
    const prepare = database.prepare.bind(database);
    database.prepare = (sql) => {
      told.push(sql);
      return prepare(sql);
    };
    append(log, "a", "1");
    kinds.push(told.filter((sql) => sql.includes("synchronous")));
    expect(database.prepare("PRAGMA journal_mode").all()).toEqual([{ journal_mode: "wal" }]);
  }
  const full = "PRAGMA synchronous = FULL";
  expect(kinds).toEqual([
    [full, full, full],
    [full, full, "PRAGMA synchronous = NORMAL"],
  ]);
});
