/** An armed timer. */
export interface Timer {
  /** Disarms it; afterwards its function is never called. */
  cancel(): void;
}

/**
 * What the core takes from its surroundings: time, timers, turns and chance. Give another one to test with.
 *
 * Time spans are milliseconds.
 */
export interface Clock {
  /** A time that only moves forward, for spans. */
  now(): number;
  /** Milliseconds since the Unix epoch, for people. */
  time(): number;
  /** Calls `fire` once after `ms`, and keeps the process alive until then. */
  timer(ms: number, fire: () => void): Timer;
  /** Calls `run` once in the next turn of the event loop, after everything published in this one. */
  turn(run: () => void): void;
  /** The same once sockets had theirs, which some runtimes keep waiting while turn follows turn. Default: as `turn`. */
  rest?(run: () => void): void;
  /** A number from 0 up to but not including 1, for jitter only. */
  random(): number;
}

/** The longest delay that every runtime's timer can hold; a longer one would fire at once. */
const longestDelay = 2_147_483_647;

/** In whole milliseconds: V8 keeps any other number in an object of its own, for every time that is kept. */
const now = (): number => Math.floor(performance.now());
const { random } = Math;
const timer = (ms: number, fire: () => void): Timer => {
  const handle = setTimeout(fire, Math.min(ms, longestDelay));
  return { cancel: () => clearTimeout(handle) };
};

/** What a client takes of the machine's clock. */
export const systemTiming: Pick<Clock, "timer" | "random"> = { timer, random };

/** The clock of the machine. */
export const systemClock: Clock = {
  now,
  time: () => Date.now(),
  // Node warns of what should have been before.
  timer: (ms, fire) => timer(Math.max(ms, 0), fire),
  turn(run) {
    if (typeof setImmediate === "function") setImmediate(run);
    else turnByMessage(run);
  },
  rest: (run) => void setTimeout(run, 0),
  random,
};

/** Browsers and Workers have no `setImmediate`; a message to oneself is the one macrotask that is never clamped to 4 ms. */
function turnByMessage(run: () => void): void {
  const { port1, port2 } = new MessageChannel();
  // Assigning the handler, unlike adding a listener, also opens the port.
  Object.assign(port1, {
    onmessage: () => {
      port1.close();
      run();
    },
  });
  port2.postMessage(null);
}
