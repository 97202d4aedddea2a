import { type Clock, systemClock, type Timer } from "../base/clock.ts";

/** The initial state of a fake clock. */
export interface FakeClockOptions {
  /** The seed of its random numbers. Default: 1. */
  seed?: number | undefined;
  /** Its first `time()`, in milliseconds since the Unix epoch. Default: 2026-01-01T00:00:00Z. */
  time?: number | undefined;
}

/** A clock that stands still until `advance` is called, and never waits for real time. */
export interface FakeClock extends Clock {
  /**
   * Advances time by `ms` and settles. Timers due by then fire in order of due time, then of arming, each at its exact
   * time. Everything that follows from one timer settles before the next one fires. Concurrent calls run in order.
   *
   * Rejects with what a timer or a turn throws, and stops there. Rejects with a RangeError when `ms` is negative or not
   * finite.
   */
  advance(ms: number): Promise<void>;
  /** Runs queued turns, and lets promises settle, until neither is left. Time stands still. */
  settle(): Promise<void>;
  /** The number of timers that are armed. */
  readonly armed: number;
}

interface Armed extends Timer {
  due: number;
  fire(): void;
}

/**
 * Creates a clock for tests. Time moves only in `advance`, turns run only in `advance` and `settle`, and random numbers
 * are the same in every run.
 *
 * To settle covers promises, and the timers and turns of this clock. Real input and output are not waited for.
 *
 * @example
 * ```ts
 * const clock = fakeClock();
 * const notifier = createNotifier({ clock });
 * await clock.advance(5_000);
 * ```
 */
export function fakeClock({ seed = 1, time = 1_767_225_600_000 }: FakeClockOptions = {}): FakeClock {
  const turns: (() => void)[] = [];
  /** In the order of due time, then of arming. */
  const timers: Armed[] = [];
  let now = 0;
  let moving = Promise.resolve();

  async function runTurns(): Promise<void> {
    await macrotask();
    for (let run = turns.shift(); run !== undefined; run = turns.shift()) {
      run();
      await macrotask();
    }
  }

  async function move(ms: number): Promise<void> {
    const end = now + ms;
    await runTurns();
    for (let next = timers[0]; next !== undefined && next.due <= end; next = timers[0]) {
      timers.shift();
      now = next.due;
      next.fire();
      await runTurns();
    }
    now = end;
    await runTurns();
  }

  function inOrder(step: () => Promise<void>): Promise<void> {
    const moved = moving.then(step);
    moving = moved.catch(() => {});
    return moved;
  }

  return {
    now: () => now,
    time: () => time + now,
    timer(ms, fire) {
      const armed: Armed = { due: now + (Math.max(ms, 0) || 0), fire, cancel: () => remove(timers, armed) };
      timers.splice(insertionIndex(timers, armed.due), 0, armed);
      return armed;
    },
    turn: (run) => void turns.push(run),
    random: mulberry32(seed),
    async advance(ms) {
      if (!(ms >= 0 && ms < Infinity)) {
        throw new RangeError(`Cannot advance "${ms}" ms: time moves forward, and not for ever`);
      }
      await inOrder(() => move(ms));
    },
    settle: () => inOrder(runTurns),
    get armed() {
      return timers.length;
    },
  };
}

/** Waits for the next macrotask. By then, every promise chain that needs only microtasks has settled, however long. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => systemClock.turn(resolve));
}

/** Returns the index after all timers due by then: of timers due at the same time, the first armed fires first. */
function insertionIndex(timers: readonly Armed[], due: number): number {
  let low = 0;
  let high = timers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((timers[middle]?.due ?? Infinity) <= due) low = middle + 1;
    else high = middle;
  }
  return low;
}

function remove<T>(items: T[], item: T): void {
  const index = items.indexOf(item);
  if (index >= 0) items.splice(index, 1);
}

/** Mulberry32, by Tommy Ettinger: 32 bits of state, good enough for jitter, and the same on every runtime. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
