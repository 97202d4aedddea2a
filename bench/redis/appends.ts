import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Keys } from "../../src/stores/redis/keys.ts";
import { Call, encodeAppend } from "../../src/stores/redis/operation.ts";
import { hashed } from "../../src/stores/redis/scripts.ts";
import { type RedisServer, startRedis } from "../../test/support/redis.ts";
import type { Found } from "../speed/trial.ts";
import type { Load, Loaded } from "./append-load.ts";
import { begin, cpuOf } from "./stage.ts";

/** Appends that are under way at the same time. */
export const depths = [1, 16, 64, 256] as const;

/** The ways of making them: two of `redis-benchmark`, and two of this library. */
export const ways = ["one a call", "all in one call", "append", "publish"] as const;
export type Way = (typeof ways)[number];

const channels = Array.from({ length: 10 }, (_, place) => `channel ${place}`);
const data = JSON.stringify({ id: 100_000_000, text: "x".repeat(165) });
const usual = { size: 1_000, bytes: 1_048_576, ttl: 86_400_000, slack: 8_388_608 };
const times = { warmUp: 1_000, time: 2_000 };

/** Measures one way at one depth, with a Redis of its own: appends a second, and microseconds of CPU for each. */
export async function appends(node: string, way: Way, depth: number): Promise<Found> {
  const redis = await startRedis();
  try {
    return way === "append" || way === "publish"
      ? await ofLibrary(node, redis, way, depth)
      : await ofBenchmark(redis, way, depth);
  } finally {
    await redis.destroy();
  }
}

async function ofLibrary(node: string, redis: RedisServer, how: Load["how"], depth: number): Promise<Found> {
  const load: Load = { redis: redis.port, how, depth, channels, data, ...times };
  const before = await cpuOf(redis);
  const worker = begin(node, "append-load.ts", load);
  try {
    const { second, cpu, all } = await worker.next<Loaded>();
    return { second, cpu, redis: ((await cpuOf(redis)) - before) / all };
  } finally {
    await worker.end();
  }
}

/** Runs `redis-benchmark` on one connection, first for a moment, to know how many calls take long enough. */
async function ofBenchmark(redis: RedisServer, way: Way, depth: number): Promise<Found> {
  const { write } = await hashed();
  await redis.command("SCRIPT", "LOAD", write.text);
  const perCall = way === "one a call" ? 1 : depth;
  const call = callOf(perCall);
  const command = ["EVALSHA", write.hash, String(call.keys.length), ...call.keys, ...call.args];
  const pipeline = way === "one a call" ? depth : 1;
  const callsIn = (appends: number): number => Math.ceil(appends / perCall / pipeline) * pipeline;
  const run = async (calls: number): Promise<number> => {
    const options = [
      "-h",
      "127.0.0.1",
      "-p",
      redis.port,
      "-c",
      1,
      "-P",
      pipeline,
      "-n",
      calls,
      "-r",
      10,
      "--csv",
    ];
    return (await callsASecond([...options.map(String), ...command])) * perCall;
  };
  const roughly = await run(callsIn(20_000));
  const calls = callsIn((roughly * times.time) / 1_000);
  const before = await cpuOf(redis);
  const second = await run(calls);
  return { second, redis: ((await cpuOf(redis)) - before) / (calls * perCall) };
}

/** Runs `redis-benchmark`. It prints the command, and seven numbers: how many calls it made in a second comes first. */
async function callsASecond(args: readonly string[]): Promise<number> {
  const { stdout } = await promisify(execFile)("redis-benchmark", args, { maxBuffer: 2 ** 26 });
  const found = /"([\d.]+)"(?:,"[\d.]+"){6}\s*$/.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`Cannot read redis-benchmark: it printed ${stdout.slice(-300)}`);
  return Number(found);
}

/**
 * Returns the call with which the log makes so many appends. A call of `redis-benchmark` is always the same, but for
 * `__rand_int__`: a lone append goes to one of ten channels that way.
 */
function callOf(appends: number): Call {
  const keys = new Keys("tocsin:");
  const call = new Call(["seed.", "", "0", String(appends), ""]);
  for (let n = 0; n < appends; n++) {
    const channel = appends === 1 ? "channel __rand_int__" : (channels[n % channels.length] as string);
    const options = { time: Date.now() };
    encodeAppend(call, { keys, channel, data, options, retention: usual, member: undefined, more: [] });
  }
  return call;
}
