import type { Clock } from "../../src/clock.ts";
import type { Entry, Log, Retention } from "../../src/log.ts";
import { memoryLog } from "../../src/memory.ts";
import type { Random } from "./random.ts";

/** A log whose every answer comes when the scheduler lets it, and is an error now and then. */
export interface FaultyLog extends Log {
  /** How often it fails, from 0 to 1. */
  faults: number;
  /** What was really appended, by channel and epoch, in order of offset. */
  readonly truth: Map<string, string[]>;
  /** How many watches have not been disposed. */
  readonly watches: number;
}

export function faultyLog(
  clock: Clock,
  random: Random,
  later: (act: () => void) => void,
  retention: Partial<Retention>,
): FaultyLog {
  const log = memoryLog({ clock, ...retention });
  const truth: FaultyLog["truth"] = new Map();
  let over = false;
  let watches = 0;
  /** Does it when the scheduler says so. A failure comes before the effect: afterwards nobody can tell it from success. */
  const answer = <T>(act: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      later(() => {
        if (random.chance(faulty.faults)) reject(new Error("The log fails"));
        else if (random.chance(0.7)) act().then(resolve, reject);
        // What it answers may be old by the time that it arrives.
        else act().then((value) => later(() => resolve(value)), reject);
      });
    });
  const faulty: FaultyLog = {
    faults: 0,
    truth,
    get watches() {
      return watches;
    },
    append: (channel, data, options) =>
      answer(async () => {
        const position = await log.append(channel, data, options);
        const key = `${channel} ${position.epoch}`;
        const known = truth.get(key) ?? [];
        truth.set(key, known);
        if (known.push(data) !== position.offset) throw new Error(`The log gave ${key} a wrong offset`);
        return position;
      }),
    read: (channel, options) => answer(() => log.read(channel, options)),
    watch: (channel, wake, options) =>
      answer(async () => {
        let watching = true;
        watches++;
        const watch = await log.watch(
          channel,
          () => later(() => void (watching && !over && wake())),
          options,
        );
        return {
          [Symbol.asyncDispose]: () => {
            if (watching) watches--;
            watching = false;
            return answer(async () => watch[Symbol.asyncDispose]());
          },
        };
      }),
    [Symbol.asyncDispose]: () => {
      over = true;
      return answer(() => Promise.resolve(log[Symbol.asyncDispose]()));
    },
  };
  return faulty;
}

/** The payloads of some entries. */
export function payloads(entries: readonly Entry[]): unknown[] {
  return entries.map(({ data }) => JSON.parse(data));
}
