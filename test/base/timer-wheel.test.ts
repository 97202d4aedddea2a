import { expect, test } from "vitest";
import { Scope } from "../../src/base/scope.ts";
import { TimedItem, TimerWheel } from "../../src/base/timer-wheel.ts";
import { fakeClock } from "../../src/testing.ts";

function make() {
  const clock = fakeClock();
  const scope = new Scope(clock, () => {});
  const wheel = new TimerWheel(scope, () => clock.now());
  /** The name of each item that ticked, and the time. */
  const ticks: [string, number][] = [];
  const item = (name: string, onTick: () => unknown = () => {}): TimedItem =>
    new (class extends TimedItem {
      override tick(now: number): void {
        ticks.push([name, now]);
        onTick();
      }
    })();
  return { clock, scope, wheel, ticks, item };
}

test("nothing is armed until something is due, nor after", async () => {
  const { clock, wheel, item } = make();
  expect(clock.armed).toBe(0);
  wheel.set(item("a"), 1_000);
  expect(clock.armed).toBe(1);
  await clock.advance(1_000);
  expect(clock.armed).toBe(0);
});

test("nothing is armed for what is never due", () => {
  const { clock, wheel, item } = make();
  wheel.set(item("a"), Number.POSITIVE_INFINITY);
  expect(clock.armed).toBe(0);
});

test("an item ticks once, at its due time or up to 50 ms later, never before", async () => {
  const { clock, wheel, ticks, item } = make();
  wheel.set(item("a"), 1_000);
  wheel.set(item("b"), 1_001);
  wheel.set(item("c"), 1_049.5);
  await clock.advance(999);
  expect(ticks).toEqual([]);
  await clock.advance(60_000);
  expect(ticks).toEqual([
    ["a", 1_000],
    ["b", 1_050],
    ["c", 1_050],
  ]);
});

test("an item ticks at its due time or later, although the timer fires early", async () => {
  const clock = fakeClock();
  let early = 0;
  const wheel = new TimerWheel(new Scope(clock, () => {}), () => clock.now() - early);
  const ticks: number[] = [];
  const item = new (class extends TimedItem {
    override tick(now: number): void {
      ticks.push(now);
    }
  })();
  wheel.set(item, 999.5);
  early = 0.9;
  await clock.advance(1_000);
  expect(ticks).toEqual([1_000]);
});

test("thousands of items share one timer", async () => {
  const { clock, wheel, ticks, item } = make();
  for (let i = 0; i < 5_000; i++) wheel.set(item(String(i)), i);
  expect(clock.armed).toBe(1);
  await clock.advance(5_000);
  expect(ticks).toHaveLength(5_000);
  expect(new Set(ticks.map(([, now]) => now)).size).toBe(101);
  for (const [name, now] of ticks) expect(now).toBe(Math.ceil(Number(name) / 50) * 50);
  expect(clock.armed).toBe(0);
});

test("an item that is set anew ticks at its new time only", async () => {
  const { clock, wheel, ticks, item } = make();
  const [later, sooner] = [item("later"), item("sooner")];
  wheel.set(later, 100);
  wheel.set(sooner, 5_000);
  wheel.set(later, 1_000);
  wheel.set(sooner, 500);
  expect(clock.armed).toBe(1);
  await clock.advance(10_000);
  expect(ticks).toEqual([
    ["sooner", 500],
    ["later", 1_000],
  ]);
});

test("an item set anew within the same 50 ms keeps its place", async () => {
  const { clock, wheel, ticks, item } = make();
  const a = item("a");
  wheel.set(a, 1_010);
  wheel.set(a, 1_040);
  expect(a.due).toBe(1_040);
  await clock.advance(10_000);
  expect(ticks).toEqual([["a", 1_050]]);
});

test("an item set to never does not tick, and the last one to go disarms", async () => {
  const { clock, wheel, ticks, item } = make();
  const [a, b] = [item("a"), item("b")];
  wheel.set(a, 1_000);
  wheel.set(b, 2_000);
  wheel.set(a, Number.POSITIVE_INFINITY);
  expect(clock.armed).toBe(1);
  wheel.set(b, Number.POSITIVE_INFINITY);
  expect(clock.armed).toBe(0);
  wheel.set(b, Number.POSITIVE_INFINITY);
  await clock.advance(10_000);
  expect(ticks).toEqual([]);
});

test("an item may be set again while it ticks: it ticks once each time", async () => {
  const { clock, wheel, ticks, item } = make();
  const again: TimedItem = item("a", () => wheel.set(again, clock.now() + 1_000));
  wheel.set(again, 1_000);
  await clock.advance(5_000);
  expect(ticks.map(([, now]) => now)).toEqual([1_000, 2_000, 3_000, 4_000, 5_000]);
  expect(clock.armed).toBe(1);
  wheel.set(again, Number.POSITIVE_INFINITY);
  expect(clock.armed).toBe(0);
});

test("an item set to now while it ticks comes after those that waited", async () => {
  const { clock, wheel, ticks, item } = make();
  const again: TimedItem = item("again", () => ticks.length === 1 && wheel.set(again, clock.now()));
  wheel.set(again, 1_000);
  wheel.set(item("other"), 1_000);
  await clock.advance(1_000);
  expect(ticks.map(([name]) => name)).toEqual(["again", "other", "again"]);
  expect(clock.armed).toBe(0);
});

test("an item may be set to a time that has passed: it ticks when time goes on", async () => {
  const { clock, wheel, ticks, item } = make();
  await clock.advance(1_000);
  wheel.set(item("a"), 10);
  await clock.advance(0);
  expect(ticks).toEqual([["a", 1_000]]);
});

test("items that are due together tick in the order of their times", async () => {
  const { clock, wheel, ticks, item } = make();
  wheel.set(item("third"), 3_000);
  wheel.set(item("first"), 1_000);
  wheel.set(item("second"), 2_000);
  await clock.advance(3_000);
  expect(ticks.map(([name]) => name)).toEqual(["first", "second", "third"]);
});

test("an item removed by another's tick in the same firing does not tick", async () => {
  const { clock, wheel, ticks, item } = make();
  const b = item("b");
  const a = item("a", () => wheel.set(b, Number.POSITIVE_INFINITY));
  wheel.set(a, 1_000);
  wheel.set(b, 1_000);
  await clock.advance(10_000);
  expect(ticks).toEqual([["a", 1_000]]);
  expect(clock.armed).toBe(0);
});

test("an item delayed by another's tick in the same firing ticks at its new time only", async () => {
  const { clock, wheel, ticks, item } = make();
  const b = item("b");
  const a = item("a", () => wheel.set(b, 5_000));
  wheel.set(a, 1_000);
  wheel.set(b, 1_000);
  await clock.advance(10_000);
  expect(ticks).toEqual([
    ["a", 1_000],
    ["b", 5_000],
  ]);
  expect(clock.armed).toBe(0);
});

test("an item added by another's tick, due in the same firing, ticks once", async () => {
  const { clock, wheel, ticks, item } = make();
  const b = item("b");
  wheel.set(
    item("a", () => wheel.set(b, 1_000)),
    1_000,
  );
  await clock.advance(10_000);
  expect(ticks.map(([name]) => name)).toEqual(["a", "b"]);
  expect(clock.armed).toBe(0);
});

test("when the scope ends the timer is disarmed", async () => {
  const { clock, scope, wheel, ticks, item } = make();
  wheel.set(item("a"), 1_000);
  expect(scope.inspect()).toEqual([{ kind: "timer", owner: "heartbeats", age: 0 }]);
  scope.end();
  expect(clock.armed).toBe(0);
  await clock.advance(10_000);
  expect(ticks).toEqual([]);
});
