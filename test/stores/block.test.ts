import { describe, expect, test } from "vitest";
import type { Entry, Log } from "../../src/model/log.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { upTo } from "../support/core.ts";

const entryCost = 192;
const channelCost = 512;

function withClock(options: MemoryLogOptions): { log: Log; clock: FakeClock } {
  const clock = fakeClock();
  return { log: memoryLog({ clock, ...options }), clock };
}

/** Returns entries of all character widths. Each has its own text and time, and some have tags. */
function several(count: number): Entry[] {
  return upTo(count).map((offset) => {
    const data = `${offset} ${["a", "é", "漢", "😀", ""][offset % 5]?.repeat(100)}`;
    return { offset, data, time: offset + 0.5, tags: offset % 900 === 0 ? { n: String(offset) } : undefined };
  });
}

async function append(log: Log, channel: string, entries: readonly Entry[]): Promise<void> {
  for (const { data, time, tags } of entries) await log.append(channel, data, { time, tags });
}

async function offsets(log: Log, channel: string): Promise<number[]> {
  const { entries } = await log.read(channel, {});
  return entries.map(({ offset }) => offset);
}

/** The number of publications that fill a block. Each takes one byte less than 1 KiB, with its cost. */
const block = Math.ceil(524_288 / 1_023);
const data = "x".repeat(1_023 - entryCost);

describe("thousands of entries beyond the bounds", () => {
  test("are read unchanged, from any position and with any limit", async () => {
    const { log } = withClock({ size: 10 });
    const entries = several(5_000);
    await append(log, "a", entries);
    expect((await log.read("a", {})).entries).toEqual(entries);
    for (let from = 0; from <= 5_000; from += 83) {
      for (const limit of [0, 1, 700, 1_500]) {
        const slice = await log.read("a", { after: { offset: from, epoch: "" }, limit });
        expect(slice.gapless).toBe(true);
        expect(slice.entries).toEqual(entries.slice(from, from + limit));
      }
    }
  });

  test("go one by one when each is 10 s old, and no longer count", async () => {
    const { log, clock } = withClock({ size: 10 });
    for (let second = 0; second < 4; second++) {
      await append(
        log,
        "a",
        Array.from({ length: 500 }, () => ({ offset: 0, data, time: 0 })),
      );
      await clock.advance(1_000);
    }
    expect(await offsets(log, "a")).toEqual(upTo(2_000));
    await clock.advance(6_000);
    for (const kept of [1_500, 1_000, 500, 10, 10]) {
      expect(await offsets(log, "a")).toEqual(upTo(2_000, 2_001 - kept));
      expect(log.bytes).toBe(channelCost + kept * 1_023);
      await clock.advance(1_000);
    }
    await clock.advance(300_000);
    expect(await offsets(log, "a")).toEqual([]);
    expect(log.bytes).toBe(channelCost);
  });

  test("are kept again within wider bounds, and not within narrower ones", async () => {
    const { log } = withClock({ size: 10 });
    const entries = several(3_000);
    await append(log, "a", entries);
    await log.append("a", "1", { time: 0, retention: { size: 2_000, slack: 0 } });
    expect(await offsets(log, "a")).toEqual(upTo(3_001, 1_002));
    await log.append("a", "1", { time: 0, retention: { size: 1_500, slack: 100 * entryCost } });
    const first = (await offsets(log, "a"))[0] as number;
    const beyond = entries.slice(first - 1, 3_002 - 1_500);
    const take = (some: readonly Entry[]) =>
      some.reduce((sum, { data }) => sum + entryCost + new TextEncoder().encode(data).length, 0);
    expect(take(beyond)).toBeLessThanOrEqual(100 * entryCost);
    expect(take([entries[first - 2] as Entry, ...beyond])).toBeGreaterThan(100 * entryCost);
    expect((await log.read("a", { limit: 5 })).entries).toEqual(entries.slice(first - 1, first + 4));
  });

  test("are gone when their channel starts a new epoch", async () => {
    const { log } = withClock({ size: 10 });
    await append(log, "a", several(3_000));
    await log.append("a", "end", { time: 0, place: "last", retention: { size: 0, slack: 0 } });
    await log.append("a", "new", { time: 1, place: "first" });
    const { entries } = await log.read("a", {});
    expect(entries).toEqual([{ offset: 1, data: "new", time: 1, tags: undefined }]);
    expect(log.bytes).toBe(channelCost + entryCost + 3);
  });

  test("are trimmed by totalBytes one by one, each before later entries of other channels", async () => {
    const totalBytes = 3 * channelCost + (block + 3) * 1_023;
    const { log } = withClock({ size: (name) => (name === "loud" ? 1 : Infinity), totalBytes });
    const add = (channel: string) => log.append(channel, data, { time: 0 });
    const firsts = async () => {
      const slices = await Promise.all(["early", "loud", "late"].map((name) => log.read(name, { limit: 0 })));
      return slices.map(({ first }) => first);
    };
    for (const channel of ["early", "loud", "late"]) await add(channel);
    for (let index = 0; index < block; index++) await add("loud");
    expect([log.bytes, await firsts()]).toEqual([totalBytes, [1, 1, 1]]);
    await add("late");
    expect([log.bytes, await firsts()]).toEqual([totalBytes, [2, 1, 1]]);
    for (let gone = 1; gone <= block; gone++) {
      await add("late");
      expect([log.bytes, await firsts()]).toEqual([totalBytes, [2, 1 + gone, 1]]);
    }
    // From here on the oldest entries are the first of "late", the last of "loud", and the second of "late".
    for (const wanted of [
      [2, block + 1, 2],
      [2, block + 2, 2],
      [2, block + 2, 3],
    ]) {
      await add("late");
      expect([log.bytes, await firsts()]).toEqual([totalBytes, wanted]);
    }
  });
});
