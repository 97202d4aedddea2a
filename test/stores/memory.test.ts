import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry, Log, Position, Retention } from "../../src/model/log.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { type FakeClock, fakeClock, logSuite } from "../../src/testing.ts";

const entryCost = 192;
const channelCost = 512;
const day = 24 * 3_600_000;
const unbounded: Retention = { size: Infinity, bytes: Infinity, ttl: Infinity, slack: 0 };

logSuite(({ clock }) => memoryLog({ clock }), { describe, test });

/** Makes a log without slack, which trims at once whatever is beyond its bounds. */
function withClock(options: MemoryLogOptions = {}): { log: Log; clock: FakeClock } {
  const clock = fakeClock();
  return { log: memoryLog({ clock, slack: 0, ...options }), clock };
}

async function appendAll(log: Log, channel: string, ...data: string[]): Promise<Position> {
  let last: Position = { offset: 0, epoch: "" };
  for (const each of data) last = await log.append(channel, each, { time: 0 });
  return last;
}

async function kept(log: Log, channel: string): Promise<string[]> {
  const { entries } = await log.read(channel, {});
  return entries.map(({ data }) => data);
}

async function epochOf(log: Log, channel: string): Promise<string> {
  return (await log.read(channel, { limit: 0 })).epoch;
}

describe("what a channel keeps", () => {
  test("as many entries as size allows, not one more", async () => {
    const { log } = withClock({ size: 2 });
    await appendAll(log, "a", "1", "2");
    expect(await kept(log, "a")).toEqual(["1", "2"]);
    await appendAll(log, "a", "3");
    expect(await kept(log, "a")).toEqual(["2", "3"]);
  });

  test("1000 entries, 1 MiB and 5 minutes by default", async () => {
    const { log, clock } = withClock();
    await appendAll(log, "a", ...Array.from({ length: 1001 }, String));
    expect(await kept(log, "a")).toHaveLength(1000);
    await appendAll(log, "b", "1", "x".repeat(1_048_575));
    expect((await log.read("b", {})).first).toBe(1);
    await appendAll(log, "b", "2");
    expect((await log.read("b", {})).first).toBe(2);
    await clock.advance(299_999);
    expect(await kept(log, "a")).toHaveLength(1000);
    await clock.advance(1);
    expect(await kept(log, "a")).toEqual([]);
  });

  test.each([
    ["ASCII", "aaaa", 4],
    ["two-byte characters", "éé", 4],
    ["three-byte characters", "漢", 3],
    ["a surrogate pair", "😀", 4],
    ["a lone surrogate", "\ud800", 3],
    ["long ASCII", "a".repeat(5000), 5000],
    ["long text of every width", "aé漢😀".repeat(1000), 10_000],
  ])("as many bytes as UTF-8 takes: %s", async (_, data, bytes) => {
    const exact = memoryLog({ bytes: bytes * 2, slack: 0 });
    await appendAll(exact, "a", data, data);
    expect(await kept(exact, "a")).toEqual([data, data]);
    const tight = memoryLog({ bytes: bytes * 2 - 1, slack: 0 });
    await appendAll(tight, "a", data, data);
    expect(await kept(tight, "a")).toEqual([data]);
  });

  test("tags count as bytes, names and values", async () => {
    for (const [bytes, first] of [
      [9, 1],
      [8, 2],
    ] as const) {
      const log = memoryLog({ bytes, slack: 0 });
      await log.append("a", "1", { time: 0, tags: { ké: "v", k: "漢" } });
      expect((await log.read("a", {})).first).toBe(first);
    }
  });

  test("an entry larger than the bound is trimmed at once, and its reader gets a gap", async () => {
    const log = memoryLog({ bytes: 3, slack: 0 });
    const { epoch } = await appendAll(log, "a", "1", "22");
    expect(await log.append("a", "4444", { time: 0 })).toEqual({ offset: 3, epoch });
    expect(await log.read("a", { after: { offset: 2, epoch } })).toEqual({
      epoch,
      top: 3,
      first: 4,
      entries: [],
      gapless: false,
    });
    expect((await log.read("a", { after: { offset: 3, epoch } })).gapless).toBe(true);
  });

  test("each entry for exactly its ttl", async () => {
    const { log, clock } = withClock({ ttl: 100 });
    await appendAll(log, "a", "1");
    await clock.advance(60);
    await appendAll(log, "a", "2");
    await clock.advance(39);
    expect(await kept(log, "a")).toEqual(["1", "2"]);
    await clock.advance(1);
    expect(await kept(log, "a")).toEqual(["2"]);
    await clock.advance(60);
    expect(await log.read("a", {})).toMatchObject({ top: 2, first: 3, entries: [] });
  });

  test("for ever when its retention is infinite, and by the default again when one leaves it out", async () => {
    const { log, clock } = withClock({ size: 2, bytes: 10, ttl: 100 });
    for (const data of ["11111", "22222", "33333"]) {
      await log.append("run", data, { time: 0, retention: unbounded });
    }
    await clock.advance(30 * day);
    expect(await kept(log, "run")).toEqual(["11111", "22222", "33333"]);
    await log.append("run", "4", { time: 0, retention: { ttl: Infinity, bytes: Infinity } });
    expect(await kept(log, "run")).toEqual(["33333", "4"]);
    await log.append("run", "5", { time: 0, retention: {} });
    expect(await kept(log, "run")).toEqual(["4", "5"]);
    await clock.advance(100);
    expect(await kept(log, "run")).toEqual([]);
  });

  test("as much as the functions given as options return for its name", async () => {
    const { log, clock } = withClock({
      size: (channel) => (channel === "small" ? 1 : 2),
      bytes: (channel) => (channel === "light" ? 2 : 100),
      ttl: (channel) => (channel === "short" ? 10 : 100),
    });
    for (const channel of ["small", "light", "short", "plain"]) await appendAll(log, channel, "11", "22");
    await clock.advance(10);
    expect(await kept(log, "small")).toEqual(["22"]);
    expect(await kept(log, "light")).toEqual(["22"]);
    expect(await kept(log, "short")).toEqual([]);
    expect(await kept(log, "plain")).toEqual(["11", "22"]);
  });

  test("tags as they were at the call", async () => {
    const log = memoryLog();
    const tags = { mood: "calm" };
    await log.append("a", "1", { time: 0, tags });
    tags.mood = "changed";
    expect((await log.read("a", {})).entries).toEqual([
      { offset: 1, data: "1", time: 0, tags: { mood: "calm" } },
    ]);
  });

  test("one entry of the default size among 100 000, at most 1000 at any time", async () => {
    const log = memoryLog({ slack: 0 });
    let peak = 0;
    for (let index = 0; index < 100_000; index++) {
      const { offset } = await log.append("a", String(index), { time: 0 });
      if (index % 997 === 0) {
        const { top, first } = await log.read("a", { limit: 0 });
        expect(top).toBe(offset);
        peak = Math.max(peak, top - first + 1);
      }
    }
    expect(peak).toBe(1000);
    const slice = await log.read("a", {});
    expect([slice.first, slice.top, slice.entries.length]).toEqual([99_001, 100_000, 1000]);
    expect(slice.entries[0]?.data).toBe("99000");
  });
});

describe("the total of what is kept", () => {
  const cost = (data: string) => entryCost + data.length;

  test("is no more than totalBytes, trimming the oldest entry of all channels first", async () => {
    const one = "x".repeat(2000);
    const { log } = withClock({ totalBytes: 2 * channelCost + 3 * cost(one) });
    const offsets = async () => {
      const slices = [await log.read("a", {}), await log.read("b", {})];
      return slices.map(({ entries }) => entries.map(({ offset }) => offset));
    };
    for (const channel of ["a", "b", "a"]) await appendAll(log, channel, one);
    expect(await offsets()).toEqual([[1, 2], [1]]);
    await appendAll(log, "b", one);
    expect(await offsets()).toEqual([[2], [1, 2]]);
    await appendAll(log, "b", one);
    expect(await offsets()).toEqual([[2], [2, 3]]);
    await appendAll(log, "b", `${one}x`);
    expect(await offsets()).toEqual([[], [3, 4]]);
  });

  test("does not count entries that a channel trimmed itself", async () => {
    const { log } = withClock({ size: 1, totalBytes: 2 * channelCost + 2 * cost("1") });
    await appendAll(log, "a", "1");
    for (let index = 0; index < 5000; index++) await appendAll(log, "b", "2");
    expect([await kept(log, "a"), await kept(log, "b")]).toEqual([["1"], ["2"]]);
  });

  test("a trimmed channel keeps its epoch, and its reader gets a gap", async () => {
    const { log } = withClock({ totalBytes: 2 * channelCost + cost("x".repeat(2000)) });
    const { epoch } = await appendAll(log, "a", "x");
    await appendAll(log, "b", "x".repeat(2000));
    expect(await log.read("a", { after: { offset: 0, epoch } })).toEqual({
      epoch,
      top: 1,
      first: 2,
      entries: [],
      gapless: false,
    });
  });

  test("above half of it in channels alone, the one idle longest is forgotten before any entry is trimmed", async () => {
    const { log } = withClock({ totalBytes: 4 * channelCost });
    const names = ["a", "b", "c"];
    const before = await Promise.all(names.map((name) => epochOf(log, name)));
    expect(await epochOf(log, "a")).toBe(before[0]);
    await appendAll(log, "d", "1");
    expect(await kept(log, "d")).toEqual(["1"]);
    expect(await epochOf(log, "a")).toBe(before[0]);
    expect(await epochOf(log, "c")).toBe(before[2]);
    expect(await epochOf(log, "b")).not.toBe(before[1]);
    for (const name of ["e", "f", "g"]) await log.read(name, {});
    expect(await epochOf(log, "a")).not.toBe(before[0]);
    expect(await kept(log, "d")).toEqual(["1"]);
  });

  test("a watched channel is never forgotten, whatever else is trimmed", async () => {
    const { log } = withClock({ totalBytes: 0 });
    const watch = await log.watch("a", () => {});
    const { epoch } = await appendAll(log, "a", "1");
    for (let index = 0; index < 100; index++) await log.read(`other ${index}`, {});
    expect(await log.read("a", {})).toEqual({ epoch, top: 1, first: 2, entries: [], gapless: true });
    await watch[Symbol.asyncDispose]();
    await log.read("b", {});
    expect(await epochOf(log, "a")).not.toBe(epoch);
  });

  test("100 000 names that are read once do not push out what was just published", async () => {
    const { log } = withClock({ totalBytes: 1_048_576 });
    const { epoch } = await appendAll(log, "a", "1");
    for (let index = 0; index < 100_000; index++) await log.read(`name ${index}`, {});
    expect(await log.read("a", { after: { offset: 0, epoch } })).toMatchObject({ gapless: true, top: 1 });
  });

  test("what expired in idle channels is released when others are used, without a timer", async () => {
    const budget = 3 * channelCost + 3 * cost("1");
    const { log, clock } = withClock({
      totalBytes: budget,
      ttl: (channel) => (channel === "old" ? Infinity : 10),
    });
    await appendAll(log, "old", "1");
    await appendAll(log, "idle", "2");
    await clock.advance(10);
    expect(clock.armed).toBe(0);
    // After eight calls of the log, the sweep has visited all three channels. Without it, "1" would have to go.
    for (let uses = 0; uses < 8; uses++) await log.read("new", {});
    await appendAll(log, "new", "3", "4");
    expect(await kept(log, "old")).toEqual(["1"]);
    expect(await kept(log, "new")).toEqual(["3", "4"]);
  });
});

describe("how long a channel is remembered", () => {
  test("24 hours after its last append, and then its epoch is new", async () => {
    const { log, clock } = withClock();
    const { epoch } = await appendAll(log, "a", "1");
    await clock.advance(day - 1);
    expect(await log.append("a", "2", { time: 0 })).toEqual({ offset: 2, epoch });
    await clock.advance(day);
    const later = await log.append("a", "3", { time: 0 });
    expect(later.offset).toBe(1);
    expect(later.epoch).not.toBe(epoch);
    expect(await log.read("a", { after: { offset: 1, epoch } })).toMatchObject({
      gapless: false,
      entries: [],
    });
  });

  test("24 hours after its last read", async () => {
    const { log, clock } = withClock();
    const epoch = await epochOf(log, "a");
    for (let count = 0; count < 3; count++) {
      await clock.advance(day - 1);
      expect(await epochOf(log, "a")).toBe(epoch);
    }
    await clock.advance(day);
    expect(await epochOf(log, "a")).not.toBe(epoch);
  });

  test("while it is watched, and 24 hours after", async () => {
    const { log, clock } = withClock();
    const watch = await log.watch("a", () => {});
    const epoch = await epochOf(log, "a");
    await clock.advance(30 * day);
    await log.read("b", {});
    await watch[Symbol.asyncDispose]();
    await clock.advance(day - 1);
    await log.read("b", {});
    expect(await epochOf(log, "a")).toBe(epoch);
    await clock.advance(day);
    expect(await epochOf(log, "a")).not.toBe(epoch);
  });

  test("as long as any entry is kept", async () => {
    const { log, clock } = withClock({ ttl: 3 * day });
    const { epoch } = await appendAll(log, "a", "1");
    await clock.advance(3 * day - 1);
    expect(await log.read("a", {})).toMatchObject({ epoch, top: 1, first: 1 });
  });

  test("epochs are at most 16 characters of base 36, and all are different", async () => {
    const epochs = new Set<string>();
    for (const log of [memoryLog({ totalBytes: 0 }), memoryLog({ totalBytes: 0 })]) {
      for (let index = 0; index < 20_000; index++) epochs.add(await epochOf(log, `name ${index % 10}`));
    }
    expect(epochs.size).toBe(40_000);
    expect([...epochs].filter((epoch) => !/^[0-9a-z]{11,16}$/.test(epoch))).toEqual([]);
  });
});

describe("its behaviour", () => {
  test("making a log arms no timer, takes no random number and reads no clock", () => {
    const refuse = (): never => {
      throw new Error("not at construction");
    };
    memoryLog({ clock: { now: refuse, time: refuse, timer: refuse, turn: refuse, random: refuse } });
  });

  test("append is done, and has called the watchers, before it returns", async () => {
    const log = memoryLog();
    const seen: string[] = [];
    await log.watch("a", () => seen.push("woken"));
    const appended = log.append("a", "1", { time: 0 });
    seen.push("returned");
    const read = log.read("a", {});
    expect(seen).toEqual(["woken", "returned"]);
    expect((await read).top).toBe(1);
    expect((await appended).offset).toBe(1);
  });

  test("a watcher may append, dispose itself or another, and watch, and each is called once", async () => {
    const log = memoryLog();
    const seen: string[] = [];
    const watches: Record<string, AsyncDisposable> = {};
    watches.first = await log.watch("a", () => {
      seen.push("first");
      void watches.first?.[Symbol.asyncDispose]();
      void watches.second?.[Symbol.asyncDispose]();
      void log.watch("a", () => seen.push("late"));
      void log.append("a", "2", { time: 0 });
    });
    watches.second = await log.watch("a", () => seen.push("second"));
    await log.watch("a", () => seen.push("third"));
    await log.append("a", "1", { time: 0 });
    expect(seen).toEqual(["first", "third", "late", "third"]);
    expect(await kept(log, "a")).toEqual(["1", "2"]);
  });

  test("the same function watching twice is called twice, and once after one was disposed", async () => {
    const log = memoryLog();
    let wakes = 0;
    const wake = () => wakes++;
    const watch = await log.watch("a", wake);
    await log.watch("a", wake);
    await appendAll(log, "a", "1");
    expect(wakes).toBe(2);
    await watch[Symbol.asyncDispose]();
    await appendAll(log, "a", "2");
    expect(wakes).toBe(3);
  });

  test("returned entries do not change when the log goes on", async () => {
    const log = memoryLog({ size: 2, slack: 0 });
    await appendAll(log, "a", "1", "2");
    const { entries } = await log.read("a", {});
    await appendAll(log, "a", "3", "4");
    expect(entries.map(({ data }) => data)).toEqual(["1", "2"]);
  });

  test("a position that is not a whole number from 0 is not gapless", async () => {
    const log = memoryLog();
    await appendAll(log, "a", "1", "2");
    for (const offset of [-1, 0.5, Number.NaN, Infinity, -Infinity]) {
      const { gapless, entries } = await log.read("a", { after: { offset, epoch: "" } });
      expect([offset, gapless, entries]).toEqual([offset, false, []]);
    }
  });

  test("invalid bounds are refused with a RangeError, at the call", async () => {
    for (const [options, message] of [
      [{ size: -1 }, 'Cannot use size "-1": it is not a number from 0 up'],
      [{ bytes: Number.NaN }, 'Cannot use bytes "NaN": it is not a number from 0 up'],
      [{ ttl: -Infinity }, 'Cannot use ttl "-Infinity": it is not a number from 0 up'],
      [{ slack: -1 }, 'Cannot use slack "-1": it is not a number from 0 up'],
      [{ totalBytes: Number.NaN }, 'Cannot use totalBytes "NaN": it is not a number from 0 up'],
    ] as const) {
      expect(() => memoryLog(options)).toThrow(new RangeError(message));
    }
    const log = memoryLog();
    const refused = (name: string, value: unknown) =>
      new RangeError(`Cannot use ${name} "${value}": it is not a number from 0 up`);
    await expect(async () => log.read("a", { limit: -1 })).rejects.toEqual(refused("limit", -1));
    await expect(async () => log.read("a", { limit: Number.NaN })).rejects.toEqual(refused("limit", "NaN"));
    await expect(async () => log.append("a", "1", { time: 0, retention: { ttl: -5 } })).rejects.toEqual(
      refused("ttl", -5),
    );
    expect((await log.read("a", {})).top).toBe(0);
  });

  test("after disposal the error names the call and the channel, and an aborted signal comes first", async () => {
    const log = memoryLog();
    await log[Symbol.asyncDispose]();
    await expect(async () => log.append("a", "1", { time: 0 })).rejects.toThrow(
      'Cannot append to "a": the log is closed',
    );
    await expect(async () => log.read("a", {})).rejects.toThrow('Cannot read "a": the log is closed');
    await expect(async () => log.watch("a", () => {})).rejects.toThrow('Cannot watch "a": the log is closed');
    await expect(async () => log.read("a", { signal: AbortSignal.abort("why") })).rejects.toBe("why");
  });
});

describe("against a naive model", () => {
  interface Model {
    retention: Retention;
    top: number;
    entries: (Entry & { arrived: number; bytes: number })[];
  }

  const channels = ["a", "b", "c"];
  /** Factors for all sizes. With the second one, a few entries beyond the bounds fill a block. */
  const units = [
    { unit: 1, slack: 0, numRuns: 300 },
    { unit: 10_000, slack: 3_000_000, numRuns: 100 },
  ];
  const channel = fc.constantFrom(...channels);
  const retention = fc.option(
    fc.record(
      {
        size: fc.constantFrom(0, 1, 3, Infinity),
        ttl: fc.constantFrom(0, 20, Infinity),
        slack: fc.constantFrom(0, 200, 500, Infinity),
      },
      { requiredKeys: [] },
    ),
    { nil: undefined },
  );
  const append = fc.record({
    do: fc.constant("append" as const),
    channel,
    data: fc.string({ maxLength: 12 }),
    retention,
  });
  const read = fc.record({
    do: fc.constant("read" as const),
    channel,
    back: fc.integer({ min: -2, max: 8 }),
    limit: fc.constantFrom(0, 1, 2, Infinity),
  });
  const wait = fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 10, 25, 60, 10_000) });
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: append }, { weight: 2, arbitrary: read }, wait), {
    maxLength: 80,
  });

  function trim({ retention: { size, bytes, ttl, slack }, entries }: Model, now: number): void {
    const sum = (some: Model["entries"], cost: number) =>
      some.reduce((total, entry) => total + entry.bytes + cost, 0);
    for (;;) {
      let over = 0;
      while (entries.length - over > size || sum(entries.slice(over), 0) > bytes) over++;
      const age = now - (entries[0]?.arrived ?? now);
      const isOld = age >= ttl || (over > 0 && age >= 10_000);
      if (entries.length === 0 || !(isOld || sum(entries.slice(0, over), entryCost) > slack)) return;
      entries.shift();
    }
  }

  test.each(units)("it keeps and answers exactly what the model does, times $unit", async (times) => {
    const { unit, slack, numRuns } = times;
    const defaults: Retention = { size: 4, bytes: 30 * unit, ttl: 50 * unit, slack };
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        let now = 0;
        const log = memoryLog({ ...defaults, clock: { ...fakeClock(), now: () => now } });
        const models = new Map(
          channels.map((name): [string, Model] => [name, { retention: defaults, top: 0, entries: [] }]),
        );
        for (const step of script) {
          if (step.do === "wait") {
            now += step.ms;
            continue;
          }
          const model = models.get(step.channel) as Model;
          trim(model, now);
          if (step.do === "append") {
            const given = step.retention && { ...step.retention };
            if (given?.slack !== undefined) given.slack *= unit;
            if (given !== undefined) {
              model.retention = { ...defaults, ...given };
            }
            const offset = ++model.top;
            const data = step.data.repeat(unit);
            const tags = offset % 5 === 0 ? { n: String(offset % 7) } : undefined;
            const bytes = new TextEncoder().encode(data).length + (tags ? 2 : 0);
            model.entries.push({ offset, data, time: now, tags, arrived: now, bytes });
            trim(model, now);
            const position = await log.append(step.channel, data, { time: now, tags, retention: given });
            expect(position.offset).toBe(offset);
          } else {
            const first = model.top - model.entries.length + 1;
            const after = { offset: model.top - step.back, epoch: "" };
            const gapless = after.offset >= first - 1 && after.offset <= model.top;
            const wanted = model.entries.filter(({ offset }) => offset > after.offset).slice(0, step.limit);
            expect(await log.read(step.channel, { after, limit: step.limit })).toMatchObject({
              top: model.top,
              first,
              gapless,
              entries: gapless
                ? wanted.map(({ offset, data, time, tags }) => ({ offset, data, time, tags }))
                : [],
            });
          }
        }
      }),
      { numRuns },
    );
  });

  test.each(units)(
    "a follower never misses an entry silently and never gets one twice, whatever is trimmed, times $unit",
    async (times) => {
      const { unit, slack, numRuns } = times;
      const defaults: Retention = { size: 4, bytes: 30 * unit, ttl: 50 * unit, slack };
      const totals = fc.constantFrom(0, 1500, 2500, 5000);
      await fc.assert(
        fc.asyncProperty(steps, totals, async (script, total) => {
          let now = 0;
          const totalBytes = total * (unit === 1 ? 1 : unit / 20);
          const log = memoryLog({ ...defaults, totalBytes, clock: { ...fakeClock(), now: () => now } });
          const published = new Map<string, string>();
          const followers = new Map<string, { after: Position; seen: Set<string> }>();
          for (const step of script) {
            if (step.do === "wait") {
              // Some waits are so long that channels are forgotten.
              now += step.ms === 60 ? day : step.ms;
            } else if (step.do === "append") {
              const data = step.data.repeat(unit);
              const { offset, epoch } = await log.append(step.channel, data, { time: 0 });
              const id = `${step.channel} ${epoch} ${offset}`;
              expect(published.has(id)).toBe(false);
              published.set(id, data);
            } else {
              const follower = followers.get(step.channel) ?? {
                after: { offset: 0, epoch: "" },
                seen: new Set(),
              };
              followers.set(step.channel, follower);
              const { epoch, first, gapless, entries } = await log.read(step.channel, {
                after: follower.after,
                limit: step.limit,
              });
              if (!gapless) {
                expect(entries).toEqual([]);
                follower.after = { offset: first - 1, epoch };
              }
              for (const { offset, data } of entries) {
                const id = `${step.channel} ${epoch} ${offset}`;
                expect(offset).toBe(follower.after.offset + 1);
                expect(published.get(id)).toBe(data);
                expect(follower.seen.has(id)).toBe(false);
                follower.seen.add(id);
                follower.after = { offset, epoch };
              }
            }
          }
        }),
        { numRuns },
      );
    },
  );
});
