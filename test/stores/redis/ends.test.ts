import { Redis } from "ioredis";
import { createClient } from "redis";
import { redisLog } from "tocsin/redis";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ClosedError, createNotifier, type LogError, type Notifier } from "../../../src/mod.ts";
import { clientOf, missing, packages } from "../../support/redis.ts";
import { errorOf, logOn, server, until, way } from "./tools.ts";

const time = 1;
/** What a user of Redis needs besides the keys and channels of the prefix. */
const needed = [
  ..."+@connection +info +time +eval +evalsha +get +set +hget +hset +hdel +hexists +hgetall".split(" "),
  ..."+lindex +lset +lrange +ltrim +rpush +pexpire +pexpireat +persist".split(" "),
  ..."+spublish +ssubscribe +sunsubscribe".split(" "),
];

test("a client of another kind, a prefix with braces and a lease without end or of 0 are refused", () => {
  for (const client of [undefined, null, {}, { duplicate() {} }, "redis://localhost"]) {
    expect(() => redisLog({ client: client as never })).toThrow(
      new TypeError('Cannot use this client: give one of the packages "redis" or "ioredis"'),
    );
  }
  const client = new Redis({ lazyConnect: true });
  expect(() => redisLog({ client, prefix: "a{b}" })).toThrow(TypeError);
  for (const lease of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => redisLog({ client, lease })).toThrow(`Cannot use lease "${lease}"`);
  expect(() => redisLog({ client, size: -1 })).toThrow(RangeError);
  for (const prefixed of [
    new Redis({ lazyConnect: true, keyPrefix: "a:" }),
    createClient({ keyPrefix: "a:" } as never),
  ])
    expect(() => redisLog({ client: prefixed })).toThrow('Cannot use a client with keyPrefix "a:"');
});

if (missing !== undefined) test.skip(`a log in Redis that ends or cannot work (${missing})`);
else {
  describe.each(packages)("by clients of %s", (name) => {
    test("waits for a server that does not answer end with the reason of their signal", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      await log.append("news", "1", { time });
      redis.freeze();
      const reason = new Error("enough");
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [log.append("news", "2", { time, signal }), log.read("news", { signal })].map(errorOf);
      // They are sent by then.
      await new Promise((resolve) => setTimeout(resolve, 50));
      const since = performance.now();
      controller.abort(reason);
      for (const error of await Promise.all(calls)) expect(error).toBe(reason);
      expect(performance.now() - since).toBeLessThan(2_000);
      redis.thaw();
    });

    test("a call that is not answered for 5 s rejects with an error that is not lasting", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      await log.append("news", "1", { time });
      redis.freeze();
      const error = (await errorOf(log.append("news", "2", { time }))) as LogError;
      redis.thaw();
      expect([error.name, error.lasting]).toEqual(["LogError", false]);
      expect(error.message).toMatch(/5000 ms/);
    });

    test("no call has a time-out besides that of the log", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      await log.append("news", "1", { time });
      const timeout = vi.spyOn(AbortSignal, "timeout");
      onTestFinished(() => timeout.mockRestore());
      await log.append("news", "2", { time });
      expect((await log.read("news", {})).top).toBe(2);
      expect(timeout).not.toHaveBeenCalled();
    });

    test("closing settles although Redis does not answer", async () => {
      const redis = await server();
      const log = redisLog({ client: clientOf(name, redis.port) });
      const notifier = createNotifier({ log, onError() {} });
      await notifier.publish("news", 1);
      redis.freeze();
      const publishing = errorOf(notifier.publish("news", 2));
      const since = performance.now();
      await notifier.close({ grace: 1_000 });
      expect(performance.now() - since).toBeLessThan(4_000);
      expect(await publishing).toBeInstanceOf(ClosedError);
      redis.thaw();
    });

    test("no connection is left when a log is disposed, and the user's client is not used", async () => {
      const redis = await server();
      const to = await way(redis);
      const log = redisLog({ client: clientOf(name, to.port) });
      const watch = await log.watch("news", () => {});
      await log.append("news", "1", { time });
      expect(to.size).toBe(2);
      await log[Symbol.asyncDispose]();
      await watch[Symbol.asyncDispose]();
      await until(() => expect(to.size).toBe(0));
    });

    test("nothing is connected before the log is used", async () => {
      const redis = await server();
      const to = await way(redis);
      await redisLog({ client: clientOf(name, to.port) })[Symbol.asyncDispose]();
      expect(to.size).toBe(0);
    });

    test("a server that is not there rejects calls with an error that is not lasting, and says why", async () => {
      const redis = await server();
      await redis.kill();
      const log = logOn(name, redis);
      for (const call of [
        () => log.append("news", "1", { time }),
        () => log.read("news", {}),
        () => log.watch("news", () => {}),
        () => log.join({ inherits() {}, lost() {} }),
      ]) {
        const error = (await errorOf(call())) as LogError;
        expect([error.name, error.lasting]).toEqual(["LogError", false]);
        expect(error.message).toMatch(/^Cannot .*: Redis cannot be reached.*ECONNREFUSED/);
      }
    });

    test("a server that is too old is refused for good", async () => {
      const redis = await server();
      const to = await way(redis);
      to.rewrite((answer) => answer.replace(/redis_version:7/, "redis_version:6"));
      const error = (await errorOf(logOn(name, to).append("news", "1", { time }))) as LogError;
      expect([error.name, error.lasting]).toEqual(["LogError", true]);
      expect(error.message).toMatch(/^Cannot use Redis 6\.\S+: it needs version 7 or later$/);
    });

    test("a replica is refused with an error that says what to do", async () => {
      const master = await server();
      const replica = await server("--replicaof", "127.0.0.1", String(master.port));
      await until(async () => expect(await replica.command("INFO", "replication")).toMatch(/link_status:up/));
      const error = (await errorOf(logOn(name, replica).append("news", "1", { time }))) as LogError;
      expect([error.name, error.lasting]).toEqual(["LogError", false]);
      expect(error.message).toMatch(/is a replica, which cannot be written/);
    });

    test("a key of another kind fails its channel for good, and no other one", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      const { Keys } = await import("../../../src/stores/redis/keys.ts");
      const keys = new Keys("tocsin:");
      await redis.command("SET", keys.channel("text"), "x");
      await redis.command("RPUSH", keys.channel("list"), "x");
      const calls = [
        ...["text", "list"].flatMap((channel) => [log.append(channel, "1", { time }), log.read(channel, {})]),
      ].map(errorOf);
      const { offset } = await log.append("news", "1", { time });
      expect(offset).toBe(1);
      for (const error of (await Promise.all(calls)) as LogError[])
        expect([error.name, error.lasting]).toEqual(["LogError", true]);
    });

    test("a user needs no more than the commands and the keys that the documentation names", async () => {
      const redis = await server();
      await redis.command("ACL", "SETUSER", "app", "on", ">secret", "~tocsin:*", "&tocsin:*", ...needed);
      const options = { username: "app", password: "secret" };
      const make = () =>
        name === "redis"
          ? createClient({ url: `redis://127.0.0.1:${redis.port}`, ...options })
          : new Redis({ port: redis.port, lazyConnect: true, ...options });
      const notifiers = [1, 2].map(() => {
        const errors: unknown[] = [];
        const log = redisLog({ client: make(), lease: 1_500 });
        return { errors, notifier: createNotifier({ log, onError: (error) => errors.push(error) }) };
      });
      const [one, two] = notifiers.map(({ notifier }) => notifier) as [Notifier, Notifier];
      const got: unknown[] = [];
      const stop = new AbortController();
      const following = (async () => {
        for await (const { data } of two.follow("news", { signal: stop.signal })) got.push(data);
      })();
      await two.publish("news", 1);
      await one.publish("news", 2, { idempotencyKey: "order 7", confirm: true, ttl: 1_000 });
      await one.run(async () => "done").result();
      await until(() => expect(got).toEqual([1, 2]));
      stop.abort("enough");
      await errorOf(following);
      await one.close();
      await two.close();
      expect(notifiers.flatMap(({ errors }) => errors)).toEqual([]);
      expect(await redis.command("ACL", "LOG")).toBe("");
    });

    test("a user who may not call INFO can work, with one warning", async () => {
      const redis = await server();
      await redis.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all", "-info");
      const options = { username: "app", password: "secret" };
      const client =
        name === "redis"
          ? createClient({ url: `redis://127.0.0.1:${redis.port}`, ...options })
          : new Redis({ port: redis.port, lazyConnect: true, enableReadyCheck: false, ...options });
      const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
      try {
        const log = redisLog({ client });
        await log.append("news", "1", { time });
        for (let count = 0; count < 2; count++) expect((await log.read("news", {})).top).toBe(1);
        await log[Symbol.asyncDispose]();
        expect(warn.mock.calls.map(String)).toEqual([
          "tocsin: the user of Redis may not call INFO. So it goes unnoticed when Redis has lost its last writes",
        ]);
      } finally {
        warn.mockRestore();
      }
    });
  });
}
