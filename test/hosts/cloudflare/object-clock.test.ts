import { fakeClock } from "tocsin/testing";
import { expect, test, vi } from "vitest";
import { ObjectClock } from "../../../src/hosts/cloudflare/object-clock.ts";

const minute = 60_000;

function clockAt(time: number) {
  const stirred = vi.fn();
  const now = vi.spyOn(Date, "now").mockReturnValue(time);
  const clock = new ObjectClock(stirred);
  const go = (to: number): void => void now.mockReturnValue(to);
  return { clock, stirred, go, [Symbol.dispose]: () => now.mockRestore() };
}

test("a short wait is a timer, and stirs when it begins and when it ends", async () => {
  using world = clockAt(minute);
  await new Promise<void>((resolve) => world.clock.timer(1, resolve));
  expect(world.stirred).toHaveBeenCalledTimes(2);
  expect(world.clock.alarmAt).toBe(Infinity);
});

test("a wait of more than a minute is left to the alarm, at the next whole minute", () => {
  using world = clockAt(10 * minute + 1);
  const fired: string[] = [];
  world.clock.timer(5 * minute, () => fired.push("later"));
  world.clock.timer(minute + 1, () => fired.push("sooner"));
  expect(world.clock.alarmAt).toBe(12 * minute);
  world.clock.ring();
  world.go(12 * minute);
  world.clock.ring();
  world.clock.ring();
  expect(fired).toEqual(["sooner"]);
  expect(world.clock.alarmAt).toBe(16 * minute);
});

test("a long wait that is cancelled never ends, and needs no alarm", () => {
  using world = clockAt(minute);
  let fired = false;
  const wait = world.clock.timer(2 * minute, () => {
    fired = true;
  });
  wait.cancel();
  world.go(10 * minute);
  world.clock.ring();
  expect([fired, world.clock.alarmAt]).toEqual([false, Infinity]);
});

test("a wait that another one cancels as the alarm rings does not end", () => {
  using world = clockAt(minute);
  const fired: number[] = [];
  const second: { cancel(): void }[] = [];
  world.clock.timer(2 * minute, () => {
    fired.push(1);
    second[0]?.cancel();
  });
  second.push(world.clock.timer(2 * minute, () => fired.push(2)));
  world.go(10 * minute);
  world.clock.ring();
  expect(fired).toEqual([1]);
});

test("now stands still while the wall clock is behind it", () => {
  using world = clockAt(5 * minute);
  world.clock.now();
  world.go(4 * minute);
  expect([world.clock.now(), world.clock.time()]).toEqual([5 * minute, 4 * minute]);
});

test("a turn stirs, and comes after the microtasks", async () => {
  using world = clockAt(minute);
  const order: string[] = [];
  const turned = new Promise<void>((resolve) =>
    world.clock.turn(() => {
      order.push("turn");
      resolve();
    }),
  );
  await Promise.resolve().then(() => order.push("microtask"));
  await turned;
  expect(order).toEqual(["microtask", "turn"]);
  expect(world.stirred).toHaveBeenCalledTimes(1);
});

test("a wait of many years ends after 24 days, as every timer does: the platform has no alarms in other centuries", () => {
  using world = clockAt(minute);
  world.clock.timer(Number.MAX_SAFE_INTEGER, () => {});
  expect(world.clock.alarmAt).toBe(Math.ceil((minute + 2_147_483_647) / minute) * minute);
});

test("the clock of the platform may be another one", async () => {
  const platform = fakeClock({ time: 5 * minute, seed: 7 });
  const clock = new ObjectClock(() => {}, platform);
  const fired: string[] = [];
  clock.timer(minute, () => fired.push(`timer at ${clock.now()}`));
  clock.turn(() => fired.push("turn"));
  expect([clock.time(), clock.random()]).toEqual([5 * minute, fakeClock({ seed: 7 }).random()]);
  await platform.advance(minute);
  expect(fired).toEqual(["turn", `timer at ${6 * minute}`]);
});

test("only short waits that have not ended, and are not cancelled, are timed", async () => {
  using world = clockAt(minute);
  world.clock.timer(2 * minute, () => {});
  const timed = [world.clock.isTiming];
  const wait = world.clock.timer(minute, () => {});
  const ended = new Promise<void>((resolve) => world.clock.timer(1, resolve));
  timed.push(world.clock.isTiming);
  await ended;
  timed.push(world.clock.isTiming);
  wait.cancel();
  timed.push(world.clock.isTiming);
  expect(timed).toEqual([false, true, true, false]);
});

test("a wait that has ended is not timed any more", async () => {
  using world = clockAt(minute);
  const timed: boolean[] = [];
  await new Promise<void>((resolve) =>
    world.clock.timer(1, () => {
      timed.push(world.clock.isTiming);
      resolve();
    }),
  );
  expect(timed).toEqual([false]);
});
