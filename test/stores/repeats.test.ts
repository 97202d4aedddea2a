import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AppendOptions, Log, Position } from "../../src/model/log.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";

const entryCost = 192;
const channelCost = 512;
const markCost = 256;
const minutes = 60_000;
const day = 24 * 3_600_000;
const key = { text: "order 7", ttl: 5 * minutes };

interface Here {
  log: Log;
  clock: FakeClock;
  append(options?: Partial<AppendOptions>, channel?: string): Promise<Position>;
  /** Returns the data in the channel. */
  kept(channel?: string): Promise<string[]>;
}

/** Makes a log. Every append has its own data: "1", "2" and so on. */
function here(options: MemoryLogOptions = {}): Here {
  const clock = fakeClock();
  const log = memoryLog({ clock, ...options });
  let count = 0;
  return {
    log,
    clock,
    append: async (options, channel = "a") => log.append(channel, String(++count), { time: 0, ...options }),
    kept: async (channel = "a") => (await log.read(channel, {})).entries.map(({ data }) => data),
  };
}

const as = (by: string, n: number): Partial<AppendOptions> => ({ once: { by, n } });

describe("once", () => {
  test("the same number again returns the first position, appends nothing and wakes nobody", async () => {
    const { log, append, kept } = here();
    const first = await append(as("w", 1));
    const second = await append(as("w", 2));
    let wakes = 0;
    await log.watch("a", () => wakes++);
    expect(await append(as("w", 2))).toEqual(second);
    expect(log.append("a", "x", { time: 0, ...as("w", 2) })).toEqual(second);
    expect([first.offset, second.offset, wakes]).toEqual([1, 2, 0]);
    expect(await kept()).toEqual(["1", "2"]);
  });

  test("a number that is neither the last nor the next is refused, and nothing is appended", async () => {
    const { append, kept } = here();
    for (const n of [1, 2, 3]) await append(as("w", n));
    for (const n of [2, 5]) {
      const error = await append(as("w", n)).catch((reason: unknown) => reason);
      expect(error).toEqual(new Error(`Cannot append ${n} of writer "w" to "a": its last was 3`));
    }
    expect((await append(as("w", 4))).offset).toBe(4);
    expect(await kept()).toEqual(["1", "2", "3", "6"]);
  });

  test.each([0, -1, 1.5, Number.NaN, Infinity])("the number %d is refused", async (n) => {
    const { append, kept } = here();
    const message = `Cannot use once.n "${n}": it is not a whole number from 1 up`;
    await expect(append(as("w", n))).rejects.toEqual(new RangeError(message));
    expect(await kept()).toEqual([]);
  });

  test("each writer counts for itself, in each channel", async () => {
    const { append } = here();
    expect((await append(as("v", 1))).offset).toBe(1);
    expect((await append(as("w", 1))).offset).toBe(2);
    expect((await append(as("v", 2))).offset).toBe(3);
    expect((await append(as("w", 1))).offset).toBe(2);
    expect((await append(as("w", 1), "b")).offset).toBe(1);
  });

  test("a writer is forgotten 10 minutes after its last append, and then begins at any number", async () => {
    const { append, clock } = here();
    await append(as("w", 1));
    await clock.advance(10 * minutes - 1);
    const second = await append(as("w", 2));
    await clock.advance(10 * minutes - 1);
    expect(await append(as("w", 2))).toEqual(second);
    await clock.advance(1);
    expect((await append(as("w", 7))).offset).toBe(3);
    expect((await append(as("w", 7))).offset).toBe(3);
    await expect(append(as("w", 9))).rejects.toThrow("its last was 7");
  });

  test("an append that failed or was aborted counts as not done", async () => {
    const { log, append, kept } = here();
    const signal = AbortSignal.abort("no");
    await expect(append({ ...as("w", 1), signal })).rejects.toBe("no");
    await expect(append({ ...as("w", 1), retention: { size: -1 } })).rejects.toThrow(RangeError);
    await expect(append({ ...as("w", 1), key: { text: "k", ttl: -1 } })).rejects.toThrow(RangeError);
    let wakes = 0;
    await log.watch("a", () => wakes++);
    expect((await append(as("w", 1))).offset).toBe(1);
    expect([await kept(), wakes]).toEqual([["4"], 1]);
  });

  test("a repeat is recognised after its entry was trimmed", async () => {
    const { append, kept } = here({ size: 0, slack: 0 });
    const first = await append(as("w", 1));
    expect(await append(as("w", 1))).toEqual(first);
    expect((await append(as("w", 2))).offset).toBe(2);
    expect(await kept()).toEqual([]);
  });

  test("a repeat does not change what is kept", async () => {
    const { append, kept } = here();
    await append(as("v", 1));
    await append(as("w", 1));
    await append({ ...as("w", 1), retention: { size: 1, slack: 0 } });
    expect(await kept()).toEqual(["1", "2"]);
  });

  test("a watcher that appends again with the same number appends nothing", async () => {
    const { log, append, kept } = here();
    const again: unknown[] = [];
    await log.watch("a", () => again.push(log.append("a", "x", { time: 0, ...as("w", 1) })));
    const first = await append(as("w", 1));
    expect([again, await kept()]).toEqual([[first], ["1"]]);
  });
});

describe("key", () => {
  test("the same key again returns the first position until its ttl is over, and appends nothing", async () => {
    const { log, append, kept, clock } = here();
    const first = await append({ key });
    let wakes = 0;
    await log.watch("a", () => wakes++);
    await clock.advance(key.ttl - 1);
    expect(await append({ key })).toEqual(first);
    expect([await kept(), wakes]).toEqual([["1"], 0]);
    await clock.advance(1);
    expect((await append({ key })).offset).toBe(2);
    await clock.advance(key.ttl - 1);
    expect((await append({ key })).offset).toBe(2);
  });

  test("each key counts for itself, in each channel, and none with ttl 0", async () => {
    const { append } = here();
    expect((await append({ key })).offset).toBe(1);
    expect((await append({ key: { ...key, text: "order 8" } })).offset).toBe(2);
    expect((await append({ key }, "b")).offset).toBe(1);
    for (const offset of [3, 4]) expect((await append({ key: { text: "k", ttl: 0 } })).offset).toBe(offset);
  });

  test("a writer and a key with the same text are separate", async () => {
    const { append } = here();
    await append(as("same", 1));
    expect((await append({ key: { text: "same", ttl: 1_000 } })).offset).toBe(2);
    expect((await append(as("same", 2))).offset).toBe(3);
  });

  test("works when the entry was trimmed, and for longer than a channel is remembered", async () => {
    const { log, append, clock } = here({ size: 0, slack: 0 });
    const long = { key: { text: "k", ttl: 3 * day } };
    const first = await append(long);
    await clock.advance(3 * day - 1);
    for (let uses = 0; uses < 16; uses++) await log.read("b", {});
    expect(await append(long)).toEqual(first);
    await clock.advance(1);
    const next = await append(long);
    expect([next.offset, next.epoch === first.epoch]).toEqual([2, true]);
  });

  test.each([-1, Number.NaN])("a ttl of %d is refused", async (ttl) => {
    const { append, kept } = here();
    const message = `Cannot use key.ttl "${ttl}": it is not a number from 0 up`;
    await expect(append({ key: { text: "k", ttl } })).rejects.toEqual(new RangeError(message));
    expect(await kept()).toEqual([]);
  });
});

describe("once and key together", () => {
  test("the writer counts first: its last number returns its position, with any key", async () => {
    const { append, kept } = here();
    const first = await append({ ...as("w", 1), key });
    expect(await append({ ...as("w", 1), key: { text: "other", ttl: 1_000 } })).toEqual(first);
    await expect(append({ ...as("w", 3), key })).rejects.toThrow("its last was 1");
    expect((await append({ key: { text: "other", ttl: 1_000 } })).offset).toBe(2);
    expect(await kept()).toHaveLength(2);
  });

  test("an append with a used key counts as the writer's next number, and returns the first position of the key", async () => {
    const { append, kept } = here();
    const first = await append({ key });
    expect(await append({ ...as("w", 1), key })).toEqual(first);
    expect(await append(as("w", 1))).toEqual(first);
    expect((await append(as("w", 2))).offset).toBe(2);
    expect(await kept()).toHaveLength(2);
  });
});

describe("what is remembered", () => {
  const cost = (text: string) => markCost + text.length;

  test("counts 256 bytes and its text each, until it is forgotten, without a timer", async () => {
    const { log, append, clock } = here();
    await append({ ...as("w", 1), key });
    const entries = channelCost + entryCost + 1;
    expect(log.bytes).toBe(entries + cost("w") + cost(key.text));
    await append({ ...as("w", 1), key });
    expect(log.bytes).toBe(entries + cost("w") + cost(key.text));
    await clock.advance(key.ttl);
    expect(clock.armed).toBe(0);
    for (let uses = 0; uses < 8; uses++) await log.read("b", {});
    // The entry has expired as well.
    expect(log.bytes).toBe(2 * channelCost + cost("w"));
    await clock.advance(10 * minutes - key.ttl);
    for (let uses = 0; uses < 8; uses++) await log.read("b", {});
    expect(log.bytes).toBe(2 * channelCost);
  });

  test("takes a quarter of totalBytes at most: what expires next goes first", async () => {
    const { log, append } = here({ totalBytes: 40_000, size: 0, slack: 0 });
    await append({ key: { text: "long", ttl: day } });
    for (let index = 1; index <= 1_000; index++) {
      await append({ key: { text: `k${index}`, ttl: minutes } });
      // Repeats are trimmed at every eighth call of the log.
      expect(log.bytes).toBeLessThanOrEqual(channelCost + 10_000 + 8 * cost("k1000"));
    }
    expect((await append({ key: { text: "long", ttl: day } })).offset).toBe(1);
    expect((await append({ key: { text: "k1000", ttl: minutes } })).offset).toBe(1_001);
    expect((await append({ key: { text: "k1", ttl: minutes } })).offset).toBe(1_002);
  });

  test("is dropped with its channel, and with the log", async () => {
    const { log, append, clock } = here({ ttl: 1_000 });
    await append({ ...as("w", 1), key });
    await clock.advance(day);
    for (let uses = 0; uses < 16; uses++) await log.read("b", {});
    expect(log.bytes).toBe(channelCost);
    await append({ ...as("w", 1), key });
    await log[Symbol.asyncDispose]();
    expect(log.bytes).toBe(0);
  });

  test("is the same as in a naive model", async () => {
    const text = fc.constantFrom("v", "w");
    const step = fc.record({
      wait: fc.constantFrom(0, 1, 299_999, 300_000),
      once: fc.option(fc.record({ by: text, n: fc.integer({ min: 1, max: 3 }) }), { nil: undefined }),
      key: fc.option(fc.record({ text, ttl: fc.constantFrom(1, 300_000, 700_000) }), { nil: undefined }),
      place: fc.constantFrom(undefined, undefined, undefined, "first" as const, "last" as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (script) => {
        // Nothing is kept, so a sealed channel may begin anew.
        const { clock, append } = here({ size: 0, slack: 0 });
        let [top, epochs, isSealed] = [0, 0, false];
        let writers = new Map<string, { n: number; offset: number; until: number }>();
        let keys = new Map<string, { offset: number; until: number }>();
        const seen: string[] = [];
        for (const { wait, once, key, place } of script) {
          await clock.advance(wait);
          const now = clock.now();
          for (const marks of [writers, keys]) {
            for (const [text, { until }] of marks) if (until <= now) marks.delete(text);
          }
          const writer = once && writers.get(once.by);
          let isRefused = writer !== undefined && once?.n !== writer.n && once?.n !== writer.n + 1;
          const used = key && keys.get(key.text);
          let offset = writer !== undefined && writer.n === once?.n ? writer.offset : used?.offset;
          const isNew = offset === undefined;
          if (isNew && (place === "first" ? top > 0 && !isSealed : isSealed)) isRefused = true;
          if (isNew && !isRefused) {
            if (place === "first" && top > 0) {
              [top, epochs, writers, keys] = [0, epochs + 1, new Map(), new Map()];
            }
            isSealed = place === "last";
            offset = ++top;
            if (key !== undefined) keys.set(key.text, { offset, until: now + key.ttl });
          }
          if (once !== undefined && !isRefused && writer?.n !== once.n) {
            writers.set(once.by, { n: once.n, offset: offset as number, until: now + 600_000 });
          }
          const position = await append({ once, key, place }).catch(() => undefined);
          expect(position?.offset).toBe(isRefused ? undefined : offset);
          if (position !== undefined) {
            if (!seen.includes(position.epoch)) seen.push(position.epoch);
            expect(seen.indexOf(position.epoch)).toBe(epochs);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
