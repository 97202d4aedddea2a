import { fakeClock } from "tocsin/testing";
import { expect } from "vitest";
import { ClosedError, LogError } from "../../../src/model/errors.ts";
import { temporaryPath } from "../../support/sqlite.ts";
import { append, gather, payloads, recorder, rejected, start, test, thrown } from "./tools.ts";

/** Two logs on two connections to one file. */
function two(options: { lease?: number; durability?: "process" } = {}) {
  const path = temporaryPath();
  const clock = fakeClock();
  return { clock, one: start({ path, clock, ...options }), other: start({ path, clock, ...options }) };
}

/** Stands for a process that stands still: its timer never fires. */
function stopped() {
  const clock = fakeClock();
  let isStopped = false;
  return {
    clock,
    stop: () => {
      isStopped = true;
    },
    ofProcess: {
      ...clock,
      timer: (ms: number, fire: () => void) => clock.timer(ms, () => isStopped || fire()),
    },
  };
}

test("an append is refused for the time that another process owns the database, and says since when", async () => {
  const { one, other } = two();
  append(one.log, "a", "1");
  const error = thrown(() => append(other.log, "a", "2"));
  expect(error).toMatchObject({ name: "LogError", lasting: false });
  expect((error as Error).message).toMatch(
    /^Cannot write to the log: process [0-9a-f]{12}\w+ owns its database since 2026-01-01T00:00:00.000Z. Stop that process, or wait for its end: join\(\) does$/,
  );
  await one.log[Symbol.asyncDispose]();
  expect(append(other.log, "a", "2").offset).toBe(2);
});

test("another process reads what the owner commits, and nothing that is not committed", () => {
  const { one, other } = two();
  append(one.log, "a", "1");
  gather(one.log, "a", "2");
  expect(payloads(other.log, "a")).toEqual(["1"]);
  one.log.commit();
  expect(payloads(other.log, "a")).toEqual(["1", "2"]);
});

test("the owner keeps the database by its beat, and by commits, each for the time of a beat", async () => {
  const { one, other, clock } = two();
  append(one.log, "a", "1");
  const beats = () => one.database.prepare("SELECT beat - since AS beat FROM tocsin_log").all();
  await clock.advance(4_999);
  expect(beats()).toEqual([{ beat: 0 }]);
  append(one.log, "a", "2");
  await clock.advance(4_999);
  expect(beats()).toEqual([{ beat: 4_999 }]);
  await clock.advance(1);
  expect(beats()).toEqual([{ beat: 9_999 }]);
  await clock.advance(3_600_000);
  expect(thrown(() => append(other.log, "a", "2"))).toMatchObject({ lasting: false });
});

test("join waits until the owner has left, and inherits what it held", async () => {
  const { one, other, clock } = two();
  const membership = await one.log.join(recorder());
  append(one.log, "run:1", "1", { hold: "one" });
  const position = append(one.log, "run:2", "1", { hold: "two" });
  membership.release("one");
  one.log.commit();
  const member = recorder();
  let id = "";
  const joining = other.log.join(member).then((joined) => {
    id = joined.id;
  });
  await clock.advance(60_000);
  expect([id, member.records]).toEqual(["", []]);
  await membership[Symbol.asyncDispose]();
  await clock.advance(250);
  await joining;
  expect(id).not.toBe(membership.id);
  expect(member.records).toEqual([{ record: "two", channel: "run:2", position }]);
  expect(append(other.log, "run:2", "2").offset).toBe(2);
});

test("join takes over from an owner that was silent for two thirds of its lease, and not before", async () => {
  const { clock, stop, ofProcess } = stopped();
  const path = temporaryPath();
  const one = start({ path, clock: ofProcess });
  const former = recorder();
  await one.log.join(former);
  append(one.log, "a", "1", { hold: "record" });
  await clock.advance(5_000);
  stop();
  await clock.advance(3_000);
  const other = start({ path, clock, lease: 90_000 });
  const member = recorder();
  let isJoined = false;
  const joining = other.log.join(member).then(() => {
    isJoined = true;
  });
  await clock.advance(6_999);
  expect(isJoined).toBe(false);
  await clock.advance(250);
  await joining;
  expect(member.records).toMatchObject([{ record: "record" }]);
  expect(former.losses).toEqual([]);
});

test("a process that was taken for gone cannot write any more, and its member hears of it once", async () => {
  const { clock, stop, ofProcess } = stopped();
  const path = temporaryPath();
  const one = start({ path, clock: ofProcess });
  const former = recorder();
  const membership = await one.log.join(former);
  append(one.log, "a", "1");
  gather(one.log, "a", "2");
  stop();
  await clock.advance(10_000);
  const other = start({ path, clock });
  expect(append(other.log, "a", "3").offset).toBe(2);
  const error = thrown(() => one.log.commit());
  expect(error).toBeInstanceOf(LogError);
  expect(error).toMatchObject({
    lasting: true,
    message:
      "Cannot write to the log: another process has taken its database over, because this one was silent for 10.0 s. Create a new log, and find what has stopped this process",
  });
  expect(former.losses).toEqual([error]);
  for (const call of [() => gather(one.log, "a", "4"), () => one.log.commit(), () => one.log.renew()])
    expect(thrown(call)).toBe(error);
  expect(await rejected(one.log.join(recorder()))).toBe(error);
  membership.release("anything");
  await membership[Symbol.asyncDispose]();
  expect(former.losses).toEqual([error]);
  expect(payloads(one.log, "a")).toEqual(["1", "3"]);
  append(other.log, "a", "5");
  expect(payloads(one.log, "a")).toEqual(["1", "3", "5"]);
});

test("a process that was silent for too long does not trust what it remembers", async () => {
  const { clock, stop, ofProcess } = stopped();
  const path = temporaryPath();
  const one = start({ path, clock: ofProcess });
  const old = append(one.log, "a", "old", { place: "last", retention: { ttl: 9_000, slack: 0 } });
  expect(payloads(one.log, "a")).toEqual(["old"]);
  stop();
  await clock.advance(10_000);
  const other = start({ path, clock });
  const { epoch } = append(other.log, "a", "new", { place: "first" });
  expect(one.log.read("a", {})).toMatchObject({ epoch, entries: [{ data: "new" }] });
  expect(one.log.read("a", { after: { ...old, offset: 0 } }).gapless).toBe(false);
});

test("a beat finds that the database was lost", async () => {
  const { clock, stop, ofProcess } = stopped();
  const path = temporaryPath();
  const one = start({ path, clock: ofProcess, lease: 30_000 });
  const former = recorder();
  await one.log.join(former);
  void stop;
  const other = start({ path, clock });
  other.database.exec("UPDATE tocsin_log SET beat = beat - 20000");
  append(other.log, "a", "1");
  expect(former.losses).toEqual([]);
  await clock.advance(10_000);
  expect(former.losses).toMatchObject([{ name: "LogError", lasting: true }]);
  await other.log[Symbol.asyncDispose]();
  expect(clock.armed).toBe(0);
});

test("an owner that stands still together with the process that waits gets the time to beat again", async () => {
  const { clock, ofProcess } = stopped();
  let skipped = 0;
  const sleeping = (base: typeof clock) => ({
    ...base,
    now: () => clock.now() + skipped,
    time: () => clock.time() + skipped,
  });
  const path = temporaryPath();
  const one = start({ path, clock: sleeping({ ...clock, ...ofProcess }) });
  append(one.log, "a", "1");
  const other = start({ path, clock: sleeping(clock) });
  const joining = other.log.join(recorder());
  await clock.advance(1_000);
  // The machine sleeps for an hour.
  skipped = 3_600_000;
  await clock.advance(4_500);
  expect(append(one.log, "a", "2").offset).toBe(2);
  await other.log[Symbol.asyncDispose]();
  expect(await rejected(joining)).toBeInstanceOf(ClosedError);
});

test("join rejects with the reason of its signal at once, and leaves no timer", async () => {
  const { one, other, clock } = two();
  append(one.log, "a", "1");
  const reason = { why: "changed my mind" };
  const controller = new AbortController();
  const joining = rejected(other.log.join(recorder(), { signal: controller.signal }));
  await clock.advance(1_000);
  expect(clock.armed).toBe(2);
  controller.abort(reason);
  expect([await joining, clock.armed]).toEqual([reason, 1]);
  expect(await rejected(other.log.join(recorder(), { signal: controller.signal }))).toBe(reason);
  await one.log[Symbol.asyncDispose]();
  await other.log.join(recorder());
});

test("of two processes that find the database free, the slower one does not become the owner", () => {
  const { one, other } = two();
  one.log.read("a", {});
  const prepare = one.database.prepare.bind(one.database);
  one.database.prepare = (sql) => {
    one.database.prepare = prepare;
    append(other.log, "a", "faster");
    return prepare(sql);
  };
  expect(thrown(() => gather(one.log, "a", "slower"))).toMatchObject({ lasting: false });
  expect(append(other.log, "a", "2").offset).toBe(2);
});

test("join looks every third of a short lease", async () => {
  const { one, other, clock } = two({ lease: 300 });
  append(one.log, "a", "1");
  const joining = other.log.join(recorder());
  await one.log[Symbol.asyncDispose]();
  await clock.advance(100);
  await joining;
  expect(append(other.log, "a", "2").offset).toBe(2);
});

test("a log has one member at a time, and another one after that has left", async () => {
  const { log } = start();
  const membership = await log.join(recorder());
  expect(await rejected(log.join(recorder()))).toEqual(
    new TypeError("Cannot join: this log has a member. Dispose it first"),
  );
  await membership[Symbol.asyncDispose]();
  const next = await log.join(recorder());
  expect(next.id).not.toBe(membership.id);
  await membership[Symbol.asyncDispose]();
  expect(append(log, "a", "1", { hold: "mine" }).offset).toBe(1);
});

test("nothing can be held without a join", () => {
  const { log } = start();
  expect(thrown(() => gather(log, "a", "1", { hold: "record" }))).toEqual(
    new TypeError('Cannot hold "record": call join() first, and await it'),
  );
  expect(log.read("a", {}).top).toBe(0);
});

test("nothing can be held while join still waits, even if an append is faster", async () => {
  const { one, other, clock } = two();
  append(one.log, "a", "1");
  const member = recorder();
  const joining = other.log.join(member);
  await one.log[Symbol.asyncDispose]();
  expect(thrown(() => append(other.log, "a", "2", { hold: "record" }))).toBeInstanceOf(TypeError);
  expect(append(other.log, "a", "2").offset).toBe(2);
  await clock.advance(250);
  await joining;
  append(other.log, "a", "3", { hold: "record" });
  expect(member.records).toEqual([]);
});

test("after another process has written, watchers are woken when this one becomes the owner, and read on", async () => {
  const { one, other } = two();
  const { epoch } = append(one.log, "a", "1");
  let wakes = 0;
  const watch = other.log.watch("a", () => wakes++);
  expect(other.log.read("a", {}).top).toBe(1);
  append(one.log, "a", "2");
  await one.log[Symbol.asyncDispose]();
  expect(wakes).toBe(0);
  gather(other.log, "b", "1");
  expect(wakes).toBe(1);
  expect(other.log.read("a", { after: { offset: 1, epoch } }).entries).toHaveLength(1);
  await watch[Symbol.asyncDispose]();
});

test("disposal leaves neither a timer nor an owner, and the database open", async () => {
  const { log, database, clock } = start();
  await log.join(recorder());
  append(log, "a", "1");
  expect(clock.armed).toBe(1);
  await log[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
  expect(clock.armed).toBe(0);
  expect(database.prepare("SELECT owner, clean FROM tocsin_log").all()).toEqual([{ owner: null, clean: 1 }]);
});

test("a log that is created and disposed does nothing at all", async () => {
  const { log, database, clock } = start();
  log.commit();
  await log[Symbol.asyncDispose]();
  expect([clock.armed, database.prepare("SELECT name FROM sqlite_master").all()]).toEqual([0, []]);
});
