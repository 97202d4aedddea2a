import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { LogError } from "../../../src/mod.ts";
import { missing, packages } from "../../support/redis.ts";
import { errorOf, followOn, logOn, madeOnce, nodeOn, publishAll, server, until, way } from "./tools.ts";

if (missing !== undefined) test.skip(`a log in Redis when something fails (${missing})`);
else {
  describe.each(packages)("by clients of %s", (name) => {
    test("answers that are lost five times double nothing", async () => {
      const redis = await server();
      const ways = await Promise.all([way(redis), way(redis), way(redis)]);
      const nodes = ways.map((to) => nodeOn(name, to));
      let losses = 0;
      const sent = await publishAll(nodes, 300, async (done) => {
        if (done % 150 !== 0 || losses === 5) return;
        losses++;
        for (const to of ways) to.swallow();
        await wait(20);
        for (const to of ways) to.reset();
      });
      expect(losses).toBe(5);
      madeOnce(await logOn(name, redis).read("news", {}), sent, 3);
    });

    test("scripts that Redis has forgotten are sent again, unnoticed and in order", async () => {
      const redis = await server();
      const nodes = [nodeOn(name, redis), nodeOn(name, redis)];
      const sent = await publishAll(nodes, 400, async (done) => {
        if (done % 50 === 0) await redis.command("SCRIPT", "FLUSH");
      });
      madeOnce(await logOn(name, redis).read("news", {}), sent, 2);
      expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
    });

    test("appends that are sent again stand where they were called, without numbers too", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      const made: Promise<unknown>[] = [];
      const flushes: Promise<unknown>[] = [];
      for (let index = 0; index < 600; index++) {
        made.push(Promise.resolve(log.append("news", String(index), { time: 1 })));
        if (index % 20 === 0) flushes.push(redis.command("SCRIPT", "FLUSH"));
        await turn();
      }
      await Promise.all([...made, ...flushes]);
      const { entries } = await log.read("news", {});
      expect(entries.map(({ data }) => data)).toEqual(made.map((_, index) => String(index)));
    });

    test("a server that stands still for 6 s doubles and loses nothing, and nobody is taken for gone", async () => {
      const redis = await server();
      const nodes = [nodeOn(name, redis, { lease: 3_000 }), nodeOn(name, redis, { lease: 3_000 })];
      let isFrozen = false;
      const sent = await publishAll(nodes, 200, async () => {
        if (isFrozen) return;
        isFrozen = true;
        redis.freeze();
        await wait(6_000);
        redis.thaw();
      });
      madeOnce(await logOn(name, redis).read("news", {}), sent, 2);
      const gone = nodes
        .flatMap(({ errors }) => errors)
        .filter((error) => /others have inherited/.test(String(error)));
      expect(gone).toEqual([]);
    });

    test("a server that is killed and starts again from its file has lost nothing, and readers see no gap", async () => {
      const redis = await server("--appendonly", "yes", "--appendfsync", "always");
      const nodes = [nodeOn(name, redis), nodeOn(name, redis)];
      const seen: unknown[] = [];
      const stop = new AbortController();
      const { position } = await (nodes[0] as (typeof nodes)[0]).notifier.publish("news", "first");
      const following = followOn(nodes[1] as (typeof nodes)[0], position, stop.signal, (data) =>
        seen.push(data),
      );
      let isKilled = false;
      const sent = await publishAll(nodes, 200, async (done) => {
        if (isKilled || done < 100) return;
        isKilled = true;
        await redis.kill();
        await redis.restart();
      });
      await until(() => expect(seen.toSorted()).toEqual(sent.toSorted()));
      stop.abort("enough");
      expect(await following).toBe("enough");
      const slice = await logOn(name, redis).read("news", { after: position });
      madeOnce(slice, sent, 2);
      expect(slice.lineage?.map(({ epoch }) => epoch)).toEqual([position.epoch]);
    });

    test.each(["that is killed and has no file", "that is flushed"])(
      "a server %s has another epoch, and readers see one gap",
      async (how) => {
        const redis = await server();
        const log = logOn(name, redis);
        let wakes = 0;
        await log.watch("news", () => wakes++);
        const before = await log.append("news", "1", { time: 1 });
        if (how === "that is flushed") await redis.command("FLUSHALL");
        else {
          await redis.kill();
          await redis.restart();
        }
        // The first call may find out that the connection is gone.
        let after = before;
        await until(async () => {
          after = await log.append("news", "2", { time: 2 });
        });
        expect(after.offset).toBe(1);
        expect(after.epoch).not.toBe(before.epoch);
        const slice = await log.read("news", { after: before });
        expect([slice.gapless, slice.lineage]).toEqual([false, undefined]);
        const had = wakes;
        await until(async () => {
          await log.append("news", "3", { time: 3 });
          expect(wakes).toBeGreaterThan(had);
        });
      },
    );

    test("a replica that is promoted without the last writes has the rest of them as a gap, and goes on", async () => {
      const master = await server();
      const replica = await server("--replicaof", "127.0.0.1", String(master.port));
      const to = await way(master);
      const log = logOn(name, to);
      const one = await log.append("news", "1", { time: 1, once: { by: "w", n: 1 } });
      await until(async () => expect(await replica.command("EXISTS", "tocsin:{0}none")).toBe("0"));
      await until(async () => expect(await replica.command("DBSIZE")).toBe("1"));
      // From here on the replica gets nothing more.
      await replica.command("REPLICAOF", "NO", "ONE");
      const lost = await log.append("news", '"lost"', { time: 1, once: { by: "w", n: 2 } });
      await master.kill();
      to.lead(replica.port);
      to.reset();
      let two = lost;
      await until(async () => {
        two = await log.append("news", "2", { time: 2, once: { by: "w", n: 3 } });
      });
      expect(two.offset).toBe(2);
      expect(two.epoch).not.toBe(one.epoch);
      const good = await log.read("news", { after: one });
      expect([good.gapless, good.entries.map(({ data }) => data)]).toEqual([true, ["2"]]);
      expect(good.lineage).toEqual([{ epoch: one.epoch, offset: 1 }]);
      expect((await log.read("news", { after: lost })).gapless).toBe(false);
    });

    test("a master that has become a replica is left for the one that leads now", async () => {
      const [old, next] = [await server(), await server()];
      const to = await way(old);
      const log = logOn(name, to);
      await log.append("news", "1", { time: 1 });
      await next.command("REPLICAOF", "127.0.0.1", String(old.port));
      await until(async () => expect(await next.command("DBSIZE")).toBe("1"));
      await next.command("REPLICAOF", "NO", "ONE");
      await old.command("REPLICAOF", "127.0.0.1", String(next.port));
      to.lead(next.port);
      // Nobody ends the connection to the old one.
      expect(String(await errorOf(log.append("news", "2", { time: 2 })))).toMatch(/is a replica/);
      await until(async () => expect((await log.append("news", "2", { time: 2 })).offset).toBe(2));
    });

    test("a connection that Redis ends is made again: every watch wakes, and calls go on", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      let wakes = 0;
      await log.watch("news", () => wakes++);
      await log.append("news", "1", { time: 1 });
      await until(() => expect(wakes).toBe(1));
      await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => expect(wakes).toBe(2));
      await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await until(() => log.append("news", "2", { time: 2 }) as Promise<never>);
      await until(() => expect(wakes).toBe(3));
    });

    test("1 200 watches wake after their connection was lost, and with each append after that", async () => {
      const redis = await server();
      const log = logOn(name, redis);
      const woken = new Map<string, number>();
      const names = Array.from({ length: 1_200 }, (_, index) => `channel ${index}`);
      await Promise.all(
        names.map((each) => log.watch(each, () => woken.set(each, (woken.get(each) ?? 0) + 1))),
      );
      await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
      await until(() => expect(woken.size).toBe(1_200));
      woken.clear();
      for (const each of names) await log.append(each, "1", { time: 1 });
      await until(() => expect(woken.size).toBe(1_200));
    });

    test("a subscription that is half dead is noticed, and made again", async () => {
      const redis = await server();
      const to = await way(redis);
      const log = logOn(name, to);
      let wakes = 0;
      await log.watch("news", () => wakes++);
      to.swallow("subscribers");
      await log.append("news", "1", { time: 1 });
      await until(() => expect(wakes).toBe(1));
    });

    test("over a way of 100 ms nothing is lost, doubled or out of order, nobody is taken for gone, and nodes close in time", async () => {
      const redis = await server();
      const ways = await Promise.all([way(redis), way(redis)]);
      for (const to of ways) to.delay(100);
      const nodes = ways.map((to) => nodeOn(name, to, { lease: 3_000 }));
      const [one, other] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
      const seen: unknown[] = [];
      const stop = new AbortController();
      const { position } = await one.notifier.publish("news", "first");
      const following = followOn(other, position, stop.signal, (data) => seen.push(data));
      const sent = await publishAll(nodes, 20, () => {});
      await until(() => expect(seen).toHaveLength(sent.length));
      madeOnce(await logOn(name, redis).read("news", { after: position }), sent, 2);
      expect(seen.toSorted()).toEqual(sent.toSorted());
      stop.abort("enough");
      expect(await following).toBe("enough");
      const reports = await Promise.all(nodes.map(({ notifier }) => notifier.close({ grace: 2_000 })));
      for (const { milliseconds } of reports) expect(milliseconds).toBeLessThanOrEqual(2_000);
      // Joining may take long enough to be reported.
      const errors = nodes.flatMap((node) => node.errors.map(String));
      expect(errors.filter((error) => !error.includes("Cannot write to the log yet"))).toEqual([]);
    });

    test("an evicting policy makes gaps and new epochs, and never a wrong answer", async () => {
      const redis = await server("--maxmemory", "6mb", "--maxmemory-policy", "allkeys-random");
      const log = logOn(name, redis);
      const names = Array.from({ length: 100 }, (_, index) => `channel ${index}`);
      const told = new Map<string, string>();
      const at = (channel: string, { epoch, offset }: { epoch: string; offset: number }) =>
        `${channel} ${epoch} ${offset}`;
      const firsts = new Map<string, Awaited<ReturnType<typeof log.append>>>();
      for (let n = 0; n < 60; n++) {
        const data = JSON.stringify(n).padEnd(2_000);
        const positions = await Promise.all(names.map((channel) => log.append(channel, data, { time: n })));
        for (const [index, position] of positions.entries()) {
          const channel = names[index] as string;
          if (!firsts.has(channel)) firsts.set(channel, position);
          // No position is handed out twice.
          expect(told.has(at(channel, position))).toBe(false);
          told.set(at(channel, position), data);
        }
      }
      expect(Number(/evicted_keys:(\d+)/.exec(await redis.command("INFO", "stats"))?.[1])).toBeGreaterThan(0);
      let gaps = 0;
      for (const channel of names) {
        const after = firsts.get(channel) as { epoch: string; offset: number };
        const { gapless, epoch, entries, lineage } = await log.read(channel, { after });
        expect(lineage).toBeUndefined();
        for (const { offset, data } of entries) expect(told.get(at(channel, { epoch, offset }))).toBe(data);
        if (!gapless) gaps++;
        else expect([epoch, entries[0]?.offset]).toEqual([after.epoch, after.offset + 1]);
      }
      expect(gaps).toBeGreaterThan(0);
    });

    test("while Redis is full what is published waits, and reads go on", async () => {
      const redis = await server("--maxmemory-policy", "noeviction");
      const { notifier, errors } = nodeOn(name, redis);
      const log = logOn(name, redis);
      await notifier.publish("news", 1);
      await redis.command("CONFIG", "SET", "maxmemory", "1");
      let isPublished = false;
      const publishing = notifier.publish("news", 2).then((receipt) => {
        isPublished = true;
        return receipt;
      });
      const error = (await errorOf(log.append("news", "3", { time: 3 }))) as LogError;
      expect([error.name, error.lasting]).toEqual(["LogError", false]);
      expect(error.message).toMatch(/Cannot write to "news": Redis is full\. Raise its maxmemory/);
      await until(() => expect(errors).not.toEqual([]));
      expect((await log.read("news", {})).entries.map(({ data }) => data)).toEqual(["1"]);
      expect(isPublished).toBe(false);
      await redis.command("CONFIG", "SET", "maxmemory", "0");
      expect((await publishing).position.offset).toBe(2);
    });
  });
}
