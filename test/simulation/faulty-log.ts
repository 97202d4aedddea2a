import type { Clock } from "../../src/base/clock.ts";
import type { Log, Position, ReadOptions, Retention, Slice } from "../../src/model/log.ts";
import { memoryLog } from "../../src/stores/memory.ts";
import type { Random } from "./random.ts";
import { Truth } from "./truth.ts";

/** A log for a schedule. */
export interface SimulatedLog extends Log {
  /** The probability that a call fails, from 0 to 1. */
  faults: number;
  /** The probability that an append is made but its answer is lost, and the probability that a read is torn. */
  lost: number;
  torn: number;
  readonly truth: Truth;
  /** The number of watches that have not been disposed. */
  readonly watches: number;
  /** Loses everything that it holds, so that every channel starts over. */
  wipe(): void;
  /** Returns the current epoch and top of a channel. */
  endOf(channel: string): { epoch: string; top: number };
}

/** How a log answers: at once or when the scheduler lets it, and what fails. */
interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  /** The source for choices that were added later, so that the first seeds keep their meaning. */
  readonly own: Random;
  later(act: () => void): void;
  readonly retention: Partial<Retention>;
}

/** A log whose every answer comes when the scheduler lets it, and sometimes is an error. */
export function faultyLog({ clock, random, own, later, retention }: Parts): SimulatedLog {
  let log = memoryLog({ clock, ...retention });
  const truth = new Truth();
  let over = false;
  const watches = new Set<Watching>();
  const failure = (): Error => new Error("The log fails");
  /**
   * Runs `act` when the scheduler lets it. A failure comes before the effect, or replaces its answer if `mayBeLost`.
   */
  const answer = <T>(act: () => Promise<T>, mayBeLost = false): Promise<T> =>
    new Promise((resolve, reject) => {
      later(() => {
        if (random.chance(faulty.faults)) reject(failure());
        else if (mayBeLost && own.chance(faulty.lost)) act().then(() => reject(failure()), reject);
        else if (random.chance(0.7)) act().then(resolve, reject);
        // The answer may be outdated when it arrives.
        else act().then((value) => later(() => resolve(value)), reject);
      });
    });
  const read = async (channel: string, options: ReadOptions): Promise<Slice> => {
    const slice = await log.read(channel, options);
    return own.chance(faulty.torn) ? tear(slice, own) : slice;
  };
  const faulty: SimulatedLog = {
    faults: 0,
    lost: 0,
    torn: 0,
    truth,
    get watches() {
      return watches.size;
    },
    append: (channel, data, options) =>
      answer(async () => {
        const position = await log.append(channel, data, options);
        truth.record(channel, data, position);
        return position;
      }, true),
    read: (channel, options) => answer(() => read(channel, options)),
    watch: (channel, wake) =>
      answer(async () => {
        const wakeLater = (): void => later(() => void (watches.has(watching) && !over && wake()));
        const watching = {
          channel,
          wake: wakeLater,
          watch: log.watch(channel, wakeLater) as AsyncDisposable,
        };
        watches.add(watching);
        return {
          [Symbol.asyncDispose]: () => {
            watches.delete(watching);
            return answer(async () => watching.watch[Symbol.asyncDispose]());
          },
        };
      }),
    wipe() {
      log = memoryLog({ clock, ...retention });
      watchAnew(log, watches);
    },
    endOf: (channel) => endIn(log, channel),
    [Symbol.asyncDispose]: () => {
      over = true;
      return answer(() => Promise.resolve(log[Symbol.asyncDispose]()));
    },
  };
  return faulty;
}

/** A memory log that answers at once, synchronously or only with promises. It fails, or is torn, only if requested. */
export function promptLog(
  { clock, own, retention }: Pick<Parts, "clock" | "own" | "retention">,
  promisesOnly: boolean,
): SimulatedLog {
  let log = memoryLog({ clock, ...retention });
  const truth = new Truth();
  const watches = new Set<Watching>();
  const fail = (): void => {
    if (own.chance(prompt.lost)) throw new Error("The log fails");
  };
  const append = (...[channel, data, options]: Parameters<Log["append"]>): Position => {
    fail();
    const position = log.append(channel, data, options) as Position;
    truth.record(channel, data, position);
    return position;
  };
  const watch = (channel: string, wake: () => void): AsyncDisposable => {
    const watching = { channel, wake, watch: log.watch(channel, wake) as AsyncDisposable };
    watches.add(watching);
    return {
      async [Symbol.asyncDispose]() {
        watches.delete(watching);
        await watching.watch[Symbol.asyncDispose]();
      },
    };
  };
  const read = (channel: string, options: ReadOptions): Slice => {
    const slice = log.read(channel, options) as Slice;
    return prompt.torn > 0 && own.chance(prompt.torn) ? tear(slice, own) : slice;
  };
  const late: Pick<Log, "append" | "read" | "watch"> = {
    async append(...args) {
      const position = append(...args);
      fail();
      return position;
    },
    read: async (...args) => read(...args),
    watch: async (channel, wake) => watch(channel, wake),
  };
  const prompt: SimulatedLog = {
    faults: 0,
    lost: 0,
    torn: 0,
    truth,
    get watches() {
      return watches.size;
    },
    get bytes() {
      return log.bytes as number;
    },
    keeps: (channel) => log.keeps?.(channel) ?? {},
    ...(promisesOnly ? late : { append, read, watch }),
    wipe() {
      log = memoryLog({ clock, ...retention });
      watchAnew(log, watches);
    },
    endOf: (channel) => endIn(log, channel),
    [Symbol.asyncDispose]: async () => log[Symbol.asyncDispose](),
  };
  return prompt;
}

/** The watch of a channel, and the underlying watch in the current log. */
interface Watching {
  readonly channel: string;
  readonly wake: () => void;
  watch: AsyncDisposable;
}

/** After a wipe, moves the watches to the new log and wakes them. */
function watchAnew(log: Log, watches: Iterable<Watching>): void {
  for (const watching of watches) {
    watching.watch = log.watch(watching.channel, watching.wake) as AsyncDisposable;
    watching.wake();
  }
}

function endIn(log: Log, channel: string): { epoch: string; top: number } {
  return log.read(channel, { limit: 0 }) as Slice;
}

/** Returns what a store may return that is read in parts while it is written to: a gap, a wrong order, or nothing. */
function tear(slice: Slice, { below, chance }: Random): Slice {
  const entries = [...slice.entries];
  if (!slice.gapless || entries.length === 0) return slice;
  const at = below(entries.length);
  if (chance(0.3)) entries.length = 0;
  else if (chance(0.5)) entries.splice(at, at < entries.length - 1 ? 1 : entries.length);
  else entries.push(...entries.splice(at, 1));
  return { ...slice, entries };
}
