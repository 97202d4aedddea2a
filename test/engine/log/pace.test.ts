import { expect, test } from "vitest";
import { Pace, type PaceParts } from "../../../src/engine/log/pace.ts";
import type { Retention } from "../../../src/model/log.ts";

/** Makes a pace whose clock and log are set by the test. */
function make({ keeps, isHeard = () => true, most = 262_144 }: Options = {}) {
  const turns: (() => void)[] = [];
  const state = { now: 0, looks: 0 };
  const pace: Pace = new Pace({
    clock: {
      now() {
        state.looks++;
        return state.now;
      },
    },
    log: keeps === undefined ? {} : { keeps },
    most,
    isHeard,
    schedule: () => void turns.push(() => pace.turn()),
  });
  /** Returns how many of `count` publications are taken before one is refused. */
  const taken = (count: number, chars = 8, channel = "news"): number => {
    for (let i = 0; i < count; i++) if (!pace.take(channel, chars)) return i;
    return count;
  };
  const turn = (): void => {
    for (const run of turns.splice(0)) run();
  };
  return { pace, state, turns, taken, turn };
}

interface Options extends Partial<Pick<PaceParts, "isHeard" | "most">> {
  keeps?(channel: string): Partial<Retention>;
}

const ample = { size: 1_000, bytes: 1_048_576, ttl: 300_000, slack: 8_388_608 };

test("a turn has room for a limited number of bytes, and the next turn has the same room again", () => {
  const { taken, turn, turns } = make({ keeps: () => ample });
  expect(taken(10_000)).toBe(1_311);
  expect(taken(1)).toBe(0);
  expect(turns.length).toBe(1);
  turn();
  expect(taken(10_000)).toBe(1_311);
});

test("a turn takes at most five milliseconds, checked every 32 publications", () => {
  const { state, taken, turn } = make({ keeps: () => ample });
  expect(taken(32)).toBe(32);
  state.now = 4;
  expect(taken(32)).toBe(32);
  state.now = 5;
  expect(taken(100)).toBe(32);
  turn();
  expect(taken(32)).toBe(32);
  expect(state.looks).toBe(6);
});

test("a turn begins with the first check of the clock, or with the first publication to a channel that keeps little", () => {
  const { state, taken } = make({
    keeps: () => ({ size: 1_000, bytes: 1_000_000, slack: 0 }),
    most: 1_000_000,
  });
  state.now = 1_000;
  expect(taken(64)).toBe(64);
  state.now = 1_005;
  expect(taken(64)).toBe(32);
});

test("a few publications, each in a turn of its own, schedule no turn and read no clock", () => {
  const { state, taken, turns } = make({ keeps: () => ample });
  expect(taken(31)).toBe(31);
  expect([turns.length, state.looks]).toEqual([0, 0]);
  expect(taken(1)).toBe(1);
  expect(turns.length).toBe(1);
});

test("a publication larger than a turn's room is taken, and the next one waits", () => {
  const { taken } = make({ keeps: () => ample, most: 1_000 });
  expect(taken(2, 5_000)).toBe(1);
});

test("on a channel that keeps little a turn takes half of that, on each such channel separately", () => {
  const { taken, turn } = make({ keeps: () => ({ size: 10, bytes: 1_000, slack: 0 }) });
  expect(taken(100)).toBe(5);
  expect(taken(100, 8, "other")).toBe(5);
  expect(taken(100, 200, "large")).toBe(2);
  turn();
  expect(taken(100)).toBe(5);
});

test("on a log with a little slack a turn takes a quarter of all that the log keeps", () => {
  // A quarter of ten publications without a payload and of 4 000 bytes of slack.
  expect(make({ keeps: () => ({ size: 10, bytes: 1_000_000, slack: 4_000 }) }).taken(100)).toBe(7);
  expect(make({ keeps: () => ({ size: 1_000, bytes: 2_000, slack: 4_000 }) }).taken(100)).toBe(7);
});

test("a log that does not return its limits counts as one that keeps 1 000 publications", () => {
  expect(make().taken(10_000)).toBe(500);
});

test("one publication a turn is always taken", () => {
  const { taken, turn } = make({ keeps: () => ({ size: 0, bytes: 0, slack: 0 }) });
  expect(taken(2)).toBe(1);
  turn();
  expect(taken(2)).toBe(1);
});

test("without subscribers only the time of a turn counts", () => {
  const { state, taken } = make({ keeps: () => ({ size: 1, bytes: 1, slack: 0 }), isHeard: () => false });
  expect(taken(10_000)).toBe(10_000);
  state.now = 5;
  expect(taken(100)).toBeLessThan(100);
});

test("sockets are read between turns once these have lasted ten milliseconds, and again after each ten", () => {
  const { pace, state } = make();
  const asked: [at: number, isAwaited: boolean, needsRest: boolean][] = [
    [0, false, false],
    [50, true, false],
    [59, true, false],
    [60, true, true],
    [69, true, false],
    [70, true, true],
    [79, false, false],
    [90, true, false],
    [99, true, false],
    [100, true, true],
  ];
  for (const [at, isAwaited, needsRest] of asked) {
    state.now = at;
    expect(pace.needsRest(isAwaited), `at ${at}`).toBe(needsRest);
  }
});

test("a publication that was taken in an earlier turn counts in the turn in which it reaches the log", () => {
  const { pace, taken, turn } = make({
    keeps: () => ({ size: Infinity, bytes: 1_000, ttl: 300_000, slack: 0 }),
  });
  expect(taken(10, 100)).toBe(5);
  turn();
  pace.charge("news", 100);
  expect([taken(10, 100), pace.turns]).toEqual([4, 1]);
  turn();
  expect(taken(10, 100)).toBe(5);
});

test("nothing is counted for a channel whose log keeps plenty, or while nobody follows any", () => {
  const plenty = make({ keeps: () => ample });
  expect(plenty.taken(1)).toBe(1);
  plenty.pace.charge("news", 100);
  const unheard = make({
    keeps: () => ({ size: 4, bytes: 1_000, ttl: 300_000, slack: 0 }),
    isHeard: () => false,
  });
  unheard.pace.charge("news", 100);
  expect([unheard.taken(10, 100), unheard.turns.length]).toEqual([10, 0]);
});
