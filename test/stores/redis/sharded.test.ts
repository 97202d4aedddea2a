import { redisLog } from "tocsin/redis";
import { clusterSuite, type LogSuiteOptions, logSuite } from "tocsin/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNotifier } from "../../../src/mod.ts";
import { Keys } from "../../../src/stores/redis/keys.ts";
import { killable } from "../../support/killable-client.ts";
import { missing, packages } from "../../support/redis.ts";
import { type RedisCluster, startRedisCluster } from "../../support/redis-cluster.ts";
import { runtime } from "../../support/runtime.ts";
import { madeOnce, publishAll, until } from "./tools.ts";

// All tests pass there, but the process has timers left at its end. It is not known yet whose they are.
const why =
  missing ?? (runtime === "deno" ? "on Deno the process of this file does not end by itself" : undefined);

if (why !== undefined) test.skip(`a log in a Redis Cluster (${why})`);
else {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.destroy());
  const runner = { describe, test };

  describe.each(packages)("by clients of %s", (name) => {
    const prefixes = new WeakMap<object, string>();
    const make = ({ clock }: LogSuiteOptions) => {
      const prefix = prefixes.get(clock) ?? `${crypto.randomUUID()}:`;
      prefixes.set(clock, prefix);
      return redisLog({ client: cluster.client(name), prefix, lease: 1_500 });
    };
    const wipe = () => cluster.command("FLUSHALL");
    logSuite(make, runner, { wipe, patience: 5_000 });

    const lease = 1_500;
    const world = () => {
      const prefix = `${crypto.randomUUID()}:`;
      const open = () => {
        const { client, kill } = killable(cluster.client(name));
        return { log: redisLog({ client, prefix, lease }), kill };
      };
      return { lease, open, async [Symbol.asyncDispose]() {} };
    };
    // It takes minutes, and differs only below the port of the clients. That of ioredis needs more help with moved slots.
    if (name === "ioredis") describe("nodes", () => clusterSuite({ world }, runner));

    test("subscriptions that Redis ends are made again, and everybody wakes", async () => {
      const log = redisLog({ client: cluster.client(name), prefix: `${crypto.randomUUID()}:` });
      const woken = new Set<number>();
      const channels = Array.from({ length: 12 }, (_, index) => index);
      await Promise.all(channels.map((index) => log.watch(`channel ${index}`, () => woken.add(index))));
      await cluster.command("CLIENT", "KILL", "TYPE", "pubsub");
      for (const index of channels) await log.append(`channel ${index}`, "1", { time: 1 });
      await until(() => expect(woken.size).toBe(12));
      await log[Symbol.asyncDispose]();
    });

    test("a slot that moves while its channel is published to loses and doubles nothing", async () => {
      const prefix = `${crypto.randomUUID()}:`;
      const nodes = [1, 2].map(() => {
        const log = redisLog({ client: cluster.client(name), prefix });
        return { log, notifier: createNotifier({ log, onError() {} }), errors: [] };
      });
      const key = new Keys(prefix).channel("news");
      const reader = redisLog({ client: cluster.client(name), prefix });
      let wakes = 0;
      await reader.watch("news", () => wakes++);
      let moves = 0;
      let moving = Promise.resolve();
      const sent = await publishAll(nodes, 200, (done) => {
        if (done % 60 !== 0 || moves === 4) return;
        moves++;
        moving = moving.then(async () => expect(await cluster.move(key)).toBeGreaterThan(0));
        return moving;
      });
      expect(moves).toBe(4);
      madeOnce(await reader.read("news", {}), sent, 2);
      const before = wakes;
      await nodes[0]?.notifier.publish("news", "0 after");
      await until(() => expect(wakes).toBeGreaterThan(before));
      for (const { notifier } of nodes) await notifier.close();
      await reader[Symbol.asyncDispose]();
    });
  });
}
