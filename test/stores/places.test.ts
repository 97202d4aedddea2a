import { describe, expect, test } from "vitest";
import { ExistsError, SealedError } from "../../src/model/errors.ts";
import type { AppendOptions, Log, Position, Slice } from "../../src/model/log.ts";
import { type MemoryLogOptions, memoryLog } from "../../src/stores/memory.ts";
import { type FakeClock, fakeClock } from "../../src/testing.ts";

const entryCost = 192;
const channelCost = 512;
const day = 24 * 3_600_000;
const none = { size: 0, slack: 0 };
const key = { text: "order 7", ttl: 60_000 };
const as = (by: string, n: number): Partial<AppendOptions> => ({ once: { by, n } });

interface Here {
  log: Log;
  clock: FakeClock;
  /** Appends to channel "a". Every append has its own data: "1", "2" and so on. */
  append(options?: Partial<AppendOptions>): Position;
  read(): Slice;
  kept(): string[];
}

function here(options: MemoryLogOptions = {}): Here {
  const clock = fakeClock();
  const log = memoryLog({ clock, ...options });
  let count = 0;
  const read = () => log.read("a", {}) as Slice;
  return {
    log,
    clock,
    append: (options) => log.append("a", String(++count), { time: 0, ...options }) as Position,
    read,
    kept: () => read().entries.map(({ data }) => data),
  };
}

describe("place: first", () => {
  test("a channel that has begun refuses it, and nothing is changed", () => {
    const { log, append, read } = here();
    append({ state: "old", retention: { size: 5 } });
    append({ key, ...as("w", 1) });
    const [before, bytes, retention] = [read(), log.bytes, log.keeps?.("a")];
    const changes = { state: "new", retention: none, key: { ...key, text: "other" }, ...as("w", 2) };
    expect(() => append({ ...changes, place: "first" })).toThrow(new ExistsError("a"));
    expect(() => append({ ...changes, place: "first" })).toThrow(
      'Cannot begin "a": it has begun already, and is kept',
    );
    expect([read(), log.bytes]).toEqual([before, bytes]);
    expect(log.keeps?.("a")).toBe(retention);
    expect(append(as("w", 2)).offset).toBe(3);
    expect(append({ key: { ...key, text: "other" } }).offset).toBe(4);
  });

  test("a channel that has begun refuses it when its entries are gone, and a sealed one while they are kept", async () => {
    const { append, clock } = here({ ttl: 100 });
    append();
    await clock.advance(100);
    expect(() => append({ place: "first" })).toThrow(ExistsError);
    append({ place: "last" });
    await clock.advance(99);
    expect(() => append({ place: "first" })).toThrow(ExistsError);
    await clock.advance(1);
    expect(append({ place: "first" }).offset).toBe(1);
  });

  test("a sealed channel without entries begins anew: a new epoch, offset 1, and nothing of before", () => {
    const { log, append, read, kept } = here();
    const old = append();
    append({ place: "last", state: "over", retention: none });
    const first = append({ place: "first" });
    expect(first.offset).toBe(1);
    expect(first.epoch).not.toBe(old.epoch);
    expect(read()).toEqual({
      epoch: first.epoch,
      top: 1,
      first: 1,
      entries: [{ offset: 1, data: "3", time: 0, tags: undefined }],
      gapless: true,
    });
    expect(Object.keys(read())).toEqual(["epoch", "top", "first", "entries", "gapless"]);
    for (const offset of [0, 1, 2]) {
      const after = { offset, epoch: old.epoch };
      expect(log.read("a", { after })).toMatchObject({ gapless: false, entries: [] });
    }
    expect(append()).toEqual({ offset: 2, epoch: first.epoch });
    expect(kept()).toEqual(["3", "4"]);
    expect(log.bytes).toBe(channelCost + 2 * (entryCost + 1));
  });

  test("the watchers stay, and are called", async () => {
    const { log, append, read } = here();
    append({ place: "last", retention: none });
    const tops: unknown[] = [];
    await log.watch("a", () => tops.push(read().top));
    append({ place: "first" });
    append();
    expect(tops).toEqual([1, 2]);
  });

  test("a channel that never had an entry keeps its epoch, so that present subscribers get no gap", () => {
    const { log, append, read } = here();
    const { epoch } = read();
    expect(append({ place: "first" })).toEqual({ offset: 1, epoch });
    expect(log.read("a", { after: { offset: 0, epoch } })).toMatchObject({ gapless: true });
    append({ place: "last", retention: none });
    expect(append({ place: "first" }).epoch).not.toBe(epoch);
  });

  test("old keys and writers are forgotten, and the channel's retention is the log's default again", () => {
    const { append, kept } = here({ size: 2, slack: 0 });
    append({ ...as("w", 1), retention: { size: 5 } });
    append({ key });
    append({ place: "last", retention: none });
    append({ place: "first" });
    expect(append({ key }).offset).toBe(2);
    expect(append(as("w", 1)).offset).toBe(3);
    expect(kept()).toEqual(["5", "6"]);
  });

  test("with once, the same append again returns the first position, and does not start the channel again", () => {
    const { append, kept } = here();
    append({ ...as("w", 1), place: "last", retention: none });
    const first = append({ ...as("w", 2), place: "first" });
    expect(append(as("v", 1)).offset).toBe(2);
    expect(append({ ...as("w", 2), place: "first" })).toEqual(first);
    expect(append(as("w", 3)).offset).toBe(3);
    expect(kept()).toEqual(["2", "3", "5"]);
  });

  test("with a used key the channel does not start again", () => {
    const { append, kept } = here();
    const first = append({ key });
    expect(append({ key, place: "first" })).toEqual(first);
    append({ place: "last", retention: none });
    expect(append({ key, place: "first" })).toEqual(first);
    expect(kept()).toEqual([]);
  });
});

describe("place: last", () => {
  test("the channel refuses what comes later, and nothing is changed", () => {
    const { log, append, read, kept } = here();
    append({ state: "old" });
    append({ place: "last" });
    expect(read()).toMatchObject({ top: 2, sealed: true, state: "old" });
    const [before, bytes] = [read(), log.bytes];
    for (const place of [undefined, "last"] as const) {
      const options = { place, state: "new", retention: none, key, ...as("w", 1) };
      expect(() => append(options)).toThrow(new SealedError("a"));
    }
    expect([read(), log.bytes, kept()]).toEqual([before, bytes, ["1", "2"]]);
  });

  test("the watchers that are called by it read a sealed channel with its state", async () => {
    const { log, append, read } = here();
    const slices: Slice[] = [];
    await log.watch("a", () => slices.push(read()));
    append({ place: "last", state: "over" });
    expect(slices).toMatchObject([{ top: 1, sealed: true, state: "over" }]);
  });

  test("a repeat is answered, by once and by key", () => {
    const { append } = here();
    const first = append({ key });
    const last = append({ ...as("w", 1), place: "last" });
    expect([append({ ...as("w", 1), place: "last" }), append(as("w", 1)), append({ key })]).toEqual([
      last,
      last,
      first,
    ]);
    expect(() => append(as("w", 2))).toThrow(SealedError);
    expect(append(as("w", 1))).toEqual(last);
  });

  test("the seal holds without entries, as long as the channel is remembered", async () => {
    const { append, clock, log, read } = here({ ttl: 100 });
    const { epoch } = append({ place: "last", state: "over" });
    await clock.advance(day - 1);
    expect(() => append()).toThrow(SealedError);
    expect(read()).toEqual({
      epoch,
      top: 1,
      first: 2,
      entries: [],
      gapless: true,
      state: "over",
      sealed: true,
    });
    await clock.advance(day);
    const next = append();
    expect([next.offset, next.epoch === epoch]).toEqual([1, false]);
    expect([read().state, read().sealed, log.bytes]).toEqual([
      undefined,
      undefined,
      channelCost + entryCost + 1,
    ]);
  });
});

describe("state", () => {
  test("is read with the channel until another append has one", () => {
    const { append, read, log } = here();
    append();
    expect("state" in read()).toBe(false);
    append({ state: "one" });
    append();
    expect([read().state, (log.read("a", { limit: 0 }) as Slice).state]).toEqual(["one", "one"]);
    append({ state: "" });
    expect(read().state).toBe("");
    expect((log.read("b", {}) as Slice).state).toBe(undefined);
  });

  test("counts two bytes a character, until it is replaced or its channel is forgotten", async () => {
    const { append, log, clock } = here({ size: 0, slack: 0 });
    append({ state: "x".repeat(100) });
    expect(log.bytes).toBe(channelCost + 200);
    append({ state: "漢字" });
    append();
    expect(log.bytes).toBe(channelCost + 4);
    append({ place: "last", state: "over" });
    append({ place: "first" });
    expect(log.bytes).toBe(channelCost);
    append({ state: "here" });
    await clock.advance(day);
    for (let uses = 0; uses < 16; uses++) await log.read("b", {});
    expect(log.bytes).toBe(channelCost);
  });

  test("is released with the log, even while its channel is watched", async () => {
    const { append, log } = here();
    const watch = await log.watch("a", () => {});
    append({ state: "here" });
    await log[Symbol.asyncDispose]();
    expect(log.bytes).toBe(0);
    await watch[Symbol.asyncDispose]();
  });

  test("has at most 4 096 characters: a longer one is refused, and nothing is appended", () => {
    const { append, read } = here();
    append({ state: "漢".repeat(4_096) });
    expect(() => append({ state: "x".repeat(4_097), ...as("w", 1) })).toThrow(
      new RangeError('Cannot use the state of "a": it has 4097 characters, and may have 4096'),
    );
    expect([read().top, read().state]).toEqual([1, "漢".repeat(4_096)]);
    const last = append({ ...as("w", 1), place: "last", retention: none });
    expect(append({ ...as("w", 1), state: "x".repeat(4_097) })).toEqual(last);
    expect(() => append({ place: "first", state: "x".repeat(4_097) })).toThrow(RangeError);
    expect(read()).toMatchObject({ top: 2, sealed: true });
  });

  test("of channels without entries does not push out what is kept", () => {
    const { log } = here({ totalBytes: 100_000 });
    log.append("kept", "1", { time: 0 });
    for (let index = 0; index < 100; index++) {
      const name = `ended ${index}`;
      log.append(name, "1", { time: 0, place: "last", state: "x".repeat(4_000), retention: none });
    }
    expect((log.read("kept", {}) as Slice).entries).toHaveLength(1);
    expect(log.bytes).toBeLessThanOrEqual(100_000);
  });
});

describe("a read of the last", () => {
  const data = (slice: Slice | Promise<Slice>) => (slice as Slice).entries.map(({ data }) => data);

  test("returns the newest so many of what follows the position", () => {
    const { log, append } = here({ size: 4, slack: 0 });
    for (let count = 0; count < 4; count++) append();
    const { epoch } = append();
    const after = { offset: 2, epoch };
    expect(data(log.read("a", { last: 2 }))).toEqual(["4", "5"]);
    expect(data(log.read("a", { last: Infinity }))).toEqual(["2", "3", "4", "5"]);
    expect(data(log.read("a", { after, last: 0 }))).toEqual([]);
    expect(data(log.read("a", { after, last: 1.5 }))).toEqual(["5"]);
    expect(data(log.read("a", { after, last: 9 }))).toEqual(["3", "4", "5"]);
    expect(log.read("a", { after: { offset: 0, epoch }, last: 1 })).toMatchObject({
      gapless: false,
      entries: [],
    });
  });

  test("reads from what is in blocks as well", () => {
    const { log, append } = here({ size: 1 });
    for (let count = 0; count < 6_000; count++) append();
    expect(data(log.read("a", { last: 5_500 }))).toEqual(
      Array.from({ length: 5_500 }, (_, at) => `${at + 501}`),
    );
  });

  test("is refused together with a limit, and where last is not a number from 0 up", () => {
    const { log, append } = here();
    append();
    expect(() => log.read("a", { limit: 1, last: 1 })).toThrow(
      new RangeError('Cannot read "a": limit and last cannot be used together'),
    );
    expect(() => log.read("a", { last: -1 })).toThrow(
      new RangeError('Cannot use last "-1": it is not a number from 0 up'),
    );
    expect(data(log.read("a", { limit: undefined, last: 1 }))).toEqual(["1"]);
  });
});

test("a log in memory holds no records, commits nothing and has no members", () => {
  const { log, append, read } = here();
  append({ hold: "record" });
  expect([log.commit, log.join, read().lineage]).toEqual([undefined, undefined, undefined]);
  expect(log.bytes).toBe(channelCost + entryCost + 1);
});
