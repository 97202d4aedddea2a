import { describe, expect, test } from "vitest";
import { LogError } from "../../src/model/errors.ts";
import { memoryLog } from "../../src/stores/memory.ts";

const time = 0;
const usual = { size: 1_000, bytes: 1_048_576, ttl: 300_000, slack: 8_388_608 };

describe("a log returns how much it keeps", () => {
  test("by default, as the same object for every channel, known or not", async () => {
    const log = memoryLog();
    await log.append("known", "1", { time });
    expect(log.keeps?.("known")).toEqual(usual);
    expect(log.keeps?.("known")).toBe(log.keeps?.("unknown"));
    expect(await log.read("unknown", {})).toMatchObject({ top: 0 });
  });

  test("for a channel whose bounds depend on its name", () => {
    const log = memoryLog({ size: (channel) => channel.length, slack: 7 });
    expect(log.keeps?.("abc")).toEqual({ ...usual, size: 3, slack: 7 });
  });

  test("as the last append set it, as the same object while that does not change", async () => {
    const log = memoryLog();
    const append = (retention?: object) => log.append("run", "1", { time, retention });
    await append({ size: Infinity, slack: 1 });
    const bounds = log.keeps?.("run");
    expect(bounds).toEqual({ ...usual, size: Infinity, slack: 1 });
    await append();
    await append({ size: Infinity, slack: 1 });
    expect(log.keeps?.("run")).toBe(bounds);
    await append({});
    expect(log.keeps?.("run")).toEqual(usual);
    await log.append("run", "1", { time, place: "last", retention: { size: 0, slack: 0 } });
    await log.append("run", "1", { time, place: "first" });
    expect(log.keeps?.("run")).toEqual(usual);
  });

  test("without a use of the channel", () => {
    const log = memoryLog();
    log.keeps?.("a");
    expect(log.bytes).toBe(0);
  });
});

describe("a function that bounds a channel", () => {
  test.each([
    [
      "throws",
      () => {
        throw new TypeError("x is not a function");
      },
      'Cannot bound "bad": size() threw x is not a function',
    ],
    [
      "returns an invalid bound",
      () => -1,
      'Cannot bound "bad": size() returned "-1", which is not a number from 0 up',
    ],
    [
      "returns a promise",
      (async () => 1) as unknown as () => number,
      'Cannot bound "bad": size() returned "[object Promise]", which is not a number from 0 up',
    ],
  ])("and %s makes the channel fail for good, and no other", async (_, bound, message) => {
    const log = memoryLog({ size: (channel) => (channel === "bad" ? bound() : 1) });
    const calls = [
      () => log.append("bad", "1", { time }),
      () => log.append("bad", "1", { time, place: "first" }),
      () => log.read("bad", {}),
      () => log.watch("bad", () => {}),
    ];
    for (const call of calls) {
      const error = await (async () => call())().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LogError);
      expect(error).toMatchObject({ lasting: true, message });
    }
    expect((await log.append("good", "1", { time })).offset).toBe(1);
  });

  test("has what it threw as the cause of the error", async () => {
    const cause = new TypeError("oh");
    const log = memoryLog({
      ttl: () => {
        throw cause;
      },
    });
    await expect(async () => log.append("a", "1", { time })).rejects.toMatchObject({ cause, lasting: true });
  });

  test("that fails while a channel starts a new epoch leaves the channel unchanged", async () => {
    let fails = false;
    const log = memoryLog({ size: () => (fails ? Number.NaN : 10) });
    const retention = { size: 0, slack: 0 };
    await log.append("a", "1", { time, place: "last", state: "over", retention });
    const before = log.read("a", {});
    fails = true;
    await expect(async () => log.append("a", "2", { time, place: "first" })).rejects.toMatchObject({
      lasting: true,
    });
    expect(log.read("a", {})).toEqual(before);
  });
});

test("a function of a log in memory is not asked for a reserved channel, which has the default", async () => {
  const asked: string[] = [];
  const size = (channel: string): number => {
    asked.push(channel);
    return 1;
  };
  const log = memoryLog({ size, slack: 0 });
  for (const channel of ["\0ticket:1", "news"])
    for (const data of ["1", "2"]) await log.append(channel, data, { time: 0 });
  const kept = await Promise.all(["\0ticket:1", "news"].map((channel) => log.read(channel, {})));
  expect([kept.map(({ entries }) => entries.length), new Set(asked)]).toEqual([[2, 1], new Set(["news"])]);
});
