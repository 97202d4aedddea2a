import type { Clock } from "../../src/base/clock.ts";
import type { Random } from "./random.ts";

/** A clock whose time and turns move only when the simulation moves them. */
export interface SimulatedClock extends Clock {
  /** The number of timers that are set. */
  readonly armed: number;
  /** Milliseconds until the next timer. Undefined if no timer is set. */
  readonly untilNext: number | undefined;
  /** Runs the queued turns, and everything that follows from them at once. */
  settle(): Promise<void>;
  /** Moves the time forward, and fires the timers that become due. */
  advance(ms: number): Promise<void>;
}

export function simulatedClock(random: Random): SimulatedClock {
  let now = 0;
  let turns: (() => void)[] = [];
  const timers = new Map<object, { due: number; fire: () => void }>();
  const nextTimer = () => {
    let next: [object, { due: number; fire: () => void }] | undefined;
    for (const each of timers) if (next === undefined || each[1].due < next[1].due) next = each;
    return next;
  };
  async function settle(): Promise<void> {
    await macrotask();
    while (turns.length > 0) {
      const running = turns;
      turns = [];
      for (const run of running) run();
      await macrotask();
    }
  }
  return {
    now: () => now,
    time: () => 1_767_225_600_000 + now,
    timer(ms, fire) {
      const timer = { cancel: () => void timers.delete(timer) };
      timers.set(timer, { due: now + Math.max(0, ms), fire });
      return timer;
    },
    turn: (run) => void turns.push(run),
    random: () => random.next(),
    get armed() {
      return timers.size;
    },
    get untilNext() {
      const next = nextTimer();
      return next === undefined ? undefined : Math.max(0, next[1].due - now);
    },
    settle,
    async advance(ms) {
      const until = now + ms;
      for (let next = nextTimer(); next !== undefined && next[1].due <= until; next = nextTimer()) {
        now = Math.max(now, next[1].due);
        timers.delete(next[0]);
        next[1].fire();
        await settle();
      }
      now = until;
      await settle();
    },
  };
}

/** Lets all pending promise chains run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
