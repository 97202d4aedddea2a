/** A timer that has not fired yet. */
export interface Timer {
  /** Cancels the timer. Afterwards its function is never called. */
  cancel(): void;
}

/**
 * The source of time, timers, event loop turns and randomness. Tests replace it with a fake clock.
 *
 * All durations are in milliseconds.
 */
export interface Clock {
  /** Returns a monotonic time in milliseconds. Use it to measure durations. */
  now(): number;
  /** Returns the wall-clock time, in milliseconds since the Unix epoch. */
  time(): number;
  /** Calls `fire` once after `ms` milliseconds. The process stays alive until then. */
  timer(ms: number, fire: () => void): Timer;
  /** Calls `run` once in the next turn of the event loop, after everything published in this one. */
  turn(run: () => void): void;
  /**
   * Calls `run` once, after the runtime has handled its sockets. Some runtimes handle no sockets while one `turn`
   * follows another. Default: the same as `turn`.
   */
  rest?(run: () => void): void;
  /**
   * Waits that are longer than this many milliseconds end late, so that many of them end together. Whoever must not be
   * late sets them to end at an earlier multiple of it, on `now`. Default: no wait is late.
   */
  readonly grain?: number;
  /** Returns a random number of at least 0 and below 1. It is used for jitter only. */
  random(): number;
}

/** Returns what the wall clock says when `now` is 0. */
export function originOf(clock: Pick<Clock, "now" | "time">): number {
  return clock.time() - clock.now();
}

/**
 * The longest delay that the timers of every runtime support, in milliseconds. A timer with a longer delay fires at
 * once.
 */
const maxDelay = 2_147_483_647;

/** Returns whole milliseconds: V8 allocates a heap object for every stored number that is not an integer. */
const now = (): number => Math.floor(performance.now());
const { random } = Math;
const timer = (ms: number, fire: () => void): Timer => {
  const handle = setTimeout(fire, Math.min(ms, maxDelay));
  return { cancel: () => clearTimeout(handle) };
};

/** The part of the system clock that the client uses. */
export const systemTiming: Pick<Clock, "timer" | "random"> = { timer, random };

/** The system clock. */
export const systemClock: Clock = {
  now,
  time: () => Date.now(),
  // Node prints a warning for a negative delay.
  timer: (ms, fire) => timer(Math.max(ms, 0), fire),
  turn(run) {
    if (typeof setImmediate === "function") setImmediate(run);
    else setTimeout(run, 0);
  },
  rest: (run) => void setTimeout(run, 0),
  random,
};
