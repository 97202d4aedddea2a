import process from "node:process";
import { createClient } from "redis";
import { createNotifier } from "../../src/mod.ts";
import type { Log } from "../../src/model/log.ts";
import { redisLog } from "../../src/redis.ts";

/**
 * Appends as fast as it can, with a fixed number of appends under way at any time, and prints how many it made. Its last
 * argument is the load, as JSON.
 */

/** What is appended, and how. `publish` is the whole way through a notifier. */
export interface Load {
  readonly redis: number;
  readonly how: "append" | "publish";
  /** Appends under way. */
  readonly depth: number;
  readonly channels: readonly string[];
  readonly data: string;
  /** Milliseconds before the measurement, and of it. */
  readonly warmUp: number;
  readonly time: number;
}

/** What was made. */
export interface Loaded {
  /** Appends a second. */
  readonly second: number;
  /** Microseconds of this process's CPU for each. */
  readonly cpu: number;
  /** All that were made, those of the warm-up included. */
  readonly all: number;
}

const { redis, how, depth, channels, data, warmUp, time }: Load = JSON.parse(process.argv.at(-1) ?? "");
const log = redisLog({ client: createClient({ url: `redis://127.0.0.1:${redis}` }) });
const { append, end } = how === "append" ? ofLog(log) : ofNotifier(log);
let made = 0;
const over = performance.now() + warmUp + time;
const working = Promise.all(Array.from({ length: depth }, (_, place) => work(place)));
await new Promise((resolve) => setTimeout(resolve, warmUp));
const [first, began, before] = [made, performance.now(), process.cpuUsage()];
await working;
const seconds = (performance.now() - began) / 1_000;
const { user, system } = process.cpuUsage(before);
const count = made - first;
await end();
const loaded: Loaded = { second: count / seconds, cpu: (user + system) / count, all: made };
console.log(JSON.stringify(loaded));

/** Makes one append after the other. */
async function work(place: number): Promise<void> {
  for (let n = place; performance.now() < over; n += depth) {
    await append(channels[n % channels.length] as string);
    made++;
  }
}

interface Way {
  append(channel: string): Promise<unknown>;
  end(): Promise<unknown>;
}

function ofLog(log: Log): Way {
  return {
    append: async (channel) => log.append(channel, data, { time: Date.now() }),
    end: async () => log[Symbol.asyncDispose](),
  };
}

function ofNotifier(log: Log): Way {
  const notifier = createNotifier({ log });
  const payload: unknown = JSON.parse(data);
  return { append: (channel) => notifier.publish(channel, payload), end: () => notifier.close() };
}
