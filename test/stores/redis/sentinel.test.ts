import { Redis } from "ioredis";
import { createSentinel } from "redis";
import { redisLog } from "tocsin/redis";
import { describe, expect, onTestFinished, test } from "vitest";
import { command, missing, packages, startSentinel } from "../../support/redis.ts";
import { server, until } from "./tools.ts";

if (missing !== undefined) test.skip(`a log in Redis behind a Sentinel (${missing})`);
else {
  describe.each(packages)("by clients of %s", (name) => {
    test("when a Sentinel promotes the replica, channels and watches go on without a gap", async () => {
      const master = await server();
      const replica = await server("--replicaof", "127.0.0.1", String(master.port));
      const sentinel = await startSentinel(master.port);
      onTestFinished(() => sentinel.destroy());
      const address = { host: "127.0.0.1", port: sentinel.port };
      const client =
        name === "redis"
          ? createSentinel({ name: "mymaster", sentinelRootNodes: [address] })
          : new Redis({ name: "mymaster", sentinels: [address], lazyConnect: true });
      const log = redisLog({ client });
      onTestFinished(() => log[Symbol.asyncDispose]());
      const isKnown = /name=mymaster,status=ok,.*slaves=1/;
      await until(async () => expect(await command(sentinel.port, ["INFO", "sentinel"])).toMatch(isKnown));
      let wakes = 0;
      await log.watch("news", () => wakes++);
      const first = await log.append("news", "1", { time: 1, once: { by: "w", n: 1 } });
      await until(async () => expect(await replica.command("DBSIZE")).toBe("1"));
      await master.kill();
      let second = first;
      await until(async () => {
        second = await log.append("news", "2", { time: 2, once: { by: "w", n: 2 } });
      });
      expect(second.offset).toBe(2);
      expect(second.epoch).not.toBe(first.epoch);
      const { gapless, entries, lineage } = await log.read("news", { after: first });
      expect([gapless, entries.map(({ data }) => data)]).toEqual([true, ["2"]]);
      expect(lineage).toEqual([{ epoch: first.epoch, offset: 1 }]);
      // The subscription may still be under way to the new master.
      const had = wakes;
      let n = 2;
      await until(async () => {
        await log.append("news", "3", { time: 3, once: { by: "w", n: ++n } });
        expect(wakes).toBeGreaterThan(had + 1);
      });
    });
  });
}
