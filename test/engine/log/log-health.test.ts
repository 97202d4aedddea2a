import { describe, expect, test } from "vitest";
import { calm, LogHealth, type LogPart } from "../../../src/engine/log/log-health.ts";
import { LogError } from "../../../src/model/errors.ts";
import { type FakeClock, fakeClock } from "../../../src/testing.ts";

interface Made {
  readonly clock: FakeClock;
  readonly health: LogHealth;
  /** Fails once with an error of its own, and returns whether that is reported. */
  fail(part: LogPart): boolean;
}

function make(): Made {
  const clock = fakeClock();
  const health = new LogHealth(clock);
  return {
    clock,
    health,
    fail(part) {
      const error = new Error(`${part} fail`);
      health.failed(part, error);
      return !health.isReported(error);
    },
  };
}

describe("an outage of the log", () => {
  test("is reported once for what is appended and once for what is read", () => {
    const { fail } = make();
    expect([fail("appends"), fail("appends"), fail("reads"), fail("reads")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
  });

  test("goes on while the log does not work, however long it is not used", async () => {
    const { clock, fail } = make();
    fail("reads");
    await clock.advance(100 * calm);
    expect(fail("reads")).toBe(false);
  });

  test("goes on while a part of the log works and another part fails", async () => {
    const { clock, health, fail } = make();
    const reported: boolean[] = [];
    for (let i = 0; i < 10; i++) {
      reported.push(fail("appends"));
      health.worked("appends");
      await clock.advance(calm - 1);
    }
    expect(reported.filter((isReported) => isReported)).toHaveLength(1);
  });

  test("is over when the log has worked and nothing has failed for ten seconds", async () => {
    const { clock, health, fail } = make();
    fail("appends");
    health.worked("appends");
    await clock.advance(calm);
    expect([calm, fail("appends")]).toEqual([10_000, true]);
  });

  test("is not over because the other part works", async () => {
    const { clock, health, fail } = make();
    fail("appends");
    health.worked("reads");
    await clock.advance(calm);
    expect(fail("appends")).toBe(false);
  });

  test("has an age, which is zero once it is over", async () => {
    const { clock, health, fail } = make();
    expect(health.age("appends")).toBe(0);
    fail("appends");
    await clock.advance(500);
    fail("appends");
    await clock.advance(500);
    expect([health.age("appends"), health.age("reads")]).toEqual([1_000, 0]);
    health.worked("appends");
    await clock.advance(calm);
    expect(health.age("appends")).toBe(0);
    fail("appends");
    await clock.advance(1);
    expect(health.age("appends")).toBe(1);
    health.clear();
    expect(health.age("appends")).toBe(0);
  });

  test("of late answers is over once anything works", async () => {
    const { clock, health, fail } = make();
    expect([fail("answers"), fail("answers")]).toEqual([true, false]);
    health.worked("reads");
    await clock.advance(calm);
    expect([health.age("answers"), fail("answers")]).toEqual([0, true]);
  });
});

test("a log is lost while the last append says that it will never work again", () => {
  const { health, fail } = make();
  const lasting = new LogError("Cannot append: it is read-only", { lasting: true });
  const seen = [health.isLost];
  health.failed("reads", lasting);
  seen.push(health.isLost);
  health.failed("appends", lasting);
  seen.push(health.isLost);
  health.worked("appends");
  seen.push(health.isLost);
  health.failed("appends", lasting);
  fail("appends");
  seen.push(health.isLost);
  expect(seen).toEqual([false, false, true, false, false]);
});

describe("an error", () => {
  test("with which both parts have failed is reported once", () => {
    const { health } = make();
    const error = new Error("the connection is gone");
    health.failed("appends", error);
    health.failed("reads", error);
    expect([health.isReported(error), health.isReported(error)]).toEqual([false, true]);
  });

  test("is reported if one of the parts that have failed with it was not reported yet", () => {
    const { health, fail } = make();
    const error = new Error("the connection is gone");
    fail("appends");
    health.failed("appends", error);
    health.failed("reads", error);
    expect([health.isReported(error), fail("reads")]).toEqual([false, false]);
  });

  test("that is lasting is reported in every outage, and each time", () => {
    const { health, fail } = make();
    fail("reads");
    const lasting = new LogError("Cannot read: it is corrupt", { lasting: true });
    health.failed("reads", lasting);
    expect([health.isReported(lasting), health.isReported(lasting)]).toEqual([false, false]);
  });

  test.for([
    ["of something else", new Error("another")],
    ["that is no object", "text"],
    ["null", null],
  ] as const)("%s is always reported", ([, error]) => {
    const { health, fail } = make();
    fail("reads");
    if (typeof error !== "object" || error === null) health.failed("reads", error);
    expect([health.isReported(error), health.isReported(error)]).toEqual([false, false]);
  });
});
