import { describe, expect, test } from "vitest";
import type { Log, Retention } from "../../src/model/log.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";
import { upTo } from "../support/core.ts";

const entryCost = 192;
const channelCost = 512;
const time = 0;

function withClock(options: MemoryLogOptions): { log: Log; clock: FakeClock } {
  const clock = fakeClock();
  return { log: memoryLog({ clock, ...options }), clock };
}

async function fill(log: Log, channel: string, count: number, data: string): Promise<void> {
  for (let index = 0; index < count; index++) await log.append(channel, data, { time });
}

async function offsets(log: Log, channel: string): Promise<number[]> {
  const { entries } = await log.read(channel, {});
  return entries.map(({ offset }) => offset);
}

describe("what is beyond size and bytes", () => {
  test("is kept by default: 6 000 publications of 1 kB at once", async () => {
    const { log } = withClock({});
    await fill(log, "news", 6_000, "x".repeat(1_024));
    expect(await offsets(log, "news")).toEqual(upTo(6_000));
  });

  test.each([
    ["size", { size: 2 }],
    ["bytes", { bytes: 25 }],
  ])("is kept for exactly 10 s, counted from each entry's own append: %s", async (_, bound) => {
    const { log, clock } = withClock(bound);
    await fill(log, "a", 2, "1234567890");
    await clock.advance(4_000);
    await fill(log, "a", 3, "1234567890");
    await clock.advance(5_999);
    expect(await offsets(log, "a")).toEqual([1, 2, 3, 4, 5]);
    await clock.advance(1);
    expect(await offsets(log, "a")).toEqual([3, 4, 5]);
    await clock.advance(3_999);
    expect(await offsets(log, "a")).toEqual([3, 4, 5]);
    await clock.advance(1);
    expect(await offsets(log, "a")).toEqual([4, 5]);
    await clock.advance(200_000);
    expect(await offsets(log, "a")).toEqual([4, 5]);
  });

  test("takes exactly slack, each entry with 192 bytes of its own", async () => {
    const three = 3 * (entryCost + 10);
    for (const [slack, kept] of [
      [three, [1, 2, 3, 4, 5]],
      [three - 1, [2, 3, 4, 5]],
      [1, [4, 5]],
      [0, [4, 5]],
      [Infinity, [1, 2, 3, 4, 5]],
    ] as const) {
      const { log } = withClock({ size: 2, slack });
      await fill(log, "a", 5, "1234567890");
      expect([slack, await offsets(log, "a")]).toEqual([slack, kept]);
    }
  });

  test("counts completely where bytes do not bound it", async () => {
    const { log } = withClock({ size: 1, bytes: Infinity, slack: 3_000 });
    await fill(log, "a", 10, "x".repeat(1_000));
    expect(await offsets(log, "a")).toEqual([8, 9, 10]);
  });

  test("of endless tiny publications takes nothing from other channels", async () => {
    const { log } = withClock({ totalBytes: 1_048_576, slack: 524_288 });
    await log.append("quiet", "1", { time });
    for (let index = 0; index < 100_000; index++) log.append("loud", "1", { time });
    expect(await offsets(log, "quiet")).toEqual([1]);
    const size = 1_000 + Math.floor(524_288 / (entryCost + 1));
    expect((await offsets(log, "loud")).length).toBe(size);
    expect(log.bytes).toBe(2 * channelCost + (size + 1) * (entryCost + 1));
  });

  test("may be one publication that is larger than all of bytes", async () => {
    const { log, clock } = withClock({ bytes: 3 });
    await fill(log, "a", 1, "4444");
    await clock.advance(9_999);
    expect(await offsets(log, "a")).toEqual([1]);
    await clock.advance(1);
    expect(await log.read("a", {})).toMatchObject({ top: 1, first: 2, entries: [] });
  });

  test("is trimmed by its ttl before 10 s, and by totalBytes", async () => {
    const { log, clock } = withClock({ size: 1, ttl: 5_000 });
    await fill(log, "a", 3, "1");
    await clock.advance(5_000);
    expect(await offsets(log, "a")).toEqual([]);
    const tight = withClock({ size: 1, totalBytes: channelCost + 2 * (entryCost + 1_000) }).log;
    await fill(tight, "a", 3, "x".repeat(1_000));
    expect(await offsets(tight, "a")).toEqual([2, 3]);
  });

  test("is released without a timer, and without a use of its channel", async () => {
    const { log, clock } = withClock({ size: 2 });
    await fill(log, "a", 100, "1");
    await clock.advance(10_000);
    expect(clock.armed).toBe(0);
    for (let uses = 0; uses < 8; uses++) await log.read("b", {});
    expect(log.bytes).toBe(2 * channelCost + 2 * (entryCost + 1));
  });

  test("is reported as a gap once it is gone", async () => {
    const { log, clock } = withClock({ size: 1 });
    await fill(log, "a", 3, "1");
    const { epoch } = await log.read("a", {});
    const after = { offset: 1, epoch };
    expect(await log.read("a", { after })).toMatchObject({ first: 1, gapless: true });
    await clock.advance(10_000);
    expect(await log.read("a", { after })).toEqual({ epoch, top: 3, first: 3, entries: [], gapless: false });
  });
});

describe("slack", () => {
  test("may depend on the channel's name", async () => {
    const { log } = withClock({ size: 1, slack: (channel) => (channel === "strict" ? 0 : 1_000) });
    for (const channel of ["strict", "plain"]) await fill(log, channel, 3, "1");
    expect([await offsets(log, "strict"), await offsets(log, "plain")]).toEqual([[3], [1, 2, 3]]);
  });

  test("is part of what an append may set, and has the log's default again when one leaves it out", async () => {
    const { log } = withClock({ size: 1, slack: 2 * (entryCost + 1) });
    const append = (retention?: Partial<Retention>) => log.append("a", "1", { time, retention });
    for (let count = 0; count < 5; count++) await append({ slack: Infinity });
    expect(await offsets(log, "a")).toEqual([1, 2, 3, 4, 5]);
    await append();
    expect(await offsets(log, "a")).toEqual([1, 2, 3, 4, 5, 6]);
    await append({});
    expect(await offsets(log, "a")).toEqual([5, 6, 7]);
    await append({ slack: 0 });
    expect(await offsets(log, "a")).toEqual([8]);
  });

  test("is computed again when size and bytes change", async () => {
    const { log } = withClock({ size: 1, slack: 3 * (entryCost + 1) });
    for (let count = 0; count < 10; count++) {
      await log.append("wider", "1", { time, retention: { slack: Infinity } });
    }
    await log.append("wider", "1", { time, retention: { size: 5 } });
    expect(await offsets(log, "wider")).toEqual(upTo(11, 4));
    await fill(log, "a", 4, "1");
    for (const retention of [{ size: 3 }, { size: 5, bytes: 2 }]) {
      await log.append("a", "1", { time, retention });
    }
    expect(await offsets(log, "a")).toEqual([2, 3, 4, 5, 6]);
    await log.append("a", "1", { time, retention: { size: 2 } });
    expect(await offsets(log, "a")).toEqual([3, 4, 5, 6, 7]);
  });
});
