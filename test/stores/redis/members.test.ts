import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { LogError } from "../../../src/mod.ts";
import type { HeldRecord, Log, Membership } from "../../../src/model/log.ts";
import { missing, packages } from "../../support/redis.ts";
import { errorOf, logOn, server, until, way } from "./tools.ts";

/** A member, and what it was told. */
interface Joined {
  readonly log: Log;
  readonly membership: Membership;
  readonly records: HeldRecord[];
  readonly losses: Error[];
  renewals: number;
}

async function joined(log: ReturnType<typeof logOn>): Promise<Joined> {
  const told = { records: [] as HeldRecord[], losses: [] as Error[], renewals: 0 };
  const membership = await log.join({
    inherits: (records) => void told.records.push(...records),
    lost: (error) => void told.losses.push(error),
    renewed: () => void told.renewals++,
  });
  return Object.assign(told, { log, membership });
}

const hold = (log: Log, record: string, channel = "news") =>
  log.append(channel, "1", { time: 1, hold: record });

if (missing !== undefined) test.skip(`members of a log in Redis (${missing})`);
else {
  describe.each(packages)("by clients of %s", (name) => {
    test("a member that was cut off for its lease is lost: it may join again, and what it had sent is refused", async () => {
      const redis = await server();
      const to = await way(redis);
      const lease = 900;
      const one = await joined(logOn(name, redis, { lease }));
      const two = await joined(logOn(name, to, { lease }));
      const position = await hold(two.log, "a record");
      to.cut();
      await until(() => expect(one.records).toEqual([{ record: "a record", channel: "news", position }]));
      expect(await one.membership.nodes?.()).toEqual([one.membership.id]);
      to.mend();
      // It does not know it yet. The first append finds out.
      const error = (await errorOf(hold(two.log, "another"))) as LogError;
      expect([error.name, error.lasting]).toEqual(["LogError", false]);
      await until(() => expect(two.losses).toHaveLength(1));
      const [loss] = two.losses as [LogError];
      expect([loss.name, loss.lasting]).toEqual(["LogError", false]);
      const refused = (await errorOf(hold(two.log, "another"))) as LogError;
      expect(refused.message).toMatch(/It has to join again/);
      const again = await joined(two.log as ReturnType<typeof logOn>);
      expect(again.membership.id).not.toBe(two.membership.id);
      await hold(again.log, "another");
      expect((await one.log.read("news", {})).top).toBe(2);
      expect([one.losses, one.records.length, again.records]).toEqual([[], 1, []]);
    });

    test("a record that is released while the server is new to its member is released once the member knows that", async () => {
      const redis = await server("--enable-debug-command", "local");
      const one = await joined(logOn(name, redis));
      for (const record of ["first", "second"]) await hold(one.log, record);
      await one.membership.release("first");
      expect(one.renewals).toBe(0);
      await redis.command("DEBUG", "CHANGE-REPL-ID");
      await one.membership.release("second");
      expect(one.renewals).toBe(1);
      const two = await joined(logOn(name, redis));
      await one.log[Symbol.asyncDispose]();
      await two.membership.nodes?.();
      expect(two.records).toEqual([]);
    });

    test("an append of a member that is gone is refused by Redis itself, wherever others have inherited", async () => {
      const redis = await server();
      const to = await way(redis);
      const lease = 900;
      const one = await joined(logOn(name, redis, { lease }));
      const two = await joined(logOn(name, redis, { lease }));
      const three = await joined(logOn(name, to, { lease }));
      await hold(two.log, "of somebody who lives");
      await hold(three.log, "a record");
      await until(async () => expect(await one.membership.nodes?.()).toHaveLength(3));
      to.cut();
      await until(() => expect(one.records).toHaveLength(1));
      // The script is asked directly, as a call that comes late: nothing that the process knows stands in between.
      const { writeScript } = await import("../../../src/stores/redis/write-script.ts");
      const { Keys, bucketOf } = await import("../../../src/stores/redis/keys.ts");
      const keys = new Keys("tocsin:");
      const late = (generation: string): Promise<string> =>
        redis.command(
          ...["EVAL", writeScript, "2", keys.channel("late"), keys.held(bucketOf("late"))],
          ...["seed.", three.membership.id, generation, "1", "", "append", "h", "1", "2", '{"t":1}', "1"],
          ...["10", "1000", "1000", "0", "late", "late"],
        );
      expect(await late("3")).toMatch(/S\d+/);
      expect((await two.log.read("late", {})).top).toBe(0);
      expect([one.losses, one.records.map(({ record }) => record)]).toEqual([[], ["a record"]]);
      // What it has inherited before, it is not told again.
      await two.membership[Symbol.asyncDispose]();
      await until(() => expect(one.records.length).toBeGreaterThan(1));
      expect(one.records.map(({ record }) => record)).toEqual(["a record", "of somebody who lives"]);
    });

    test("while Redis stands still for longer than the lease nobody is lost", async () => {
      const redis = await server();
      const lease = 900;
      const members = [
        await joined(logOn(name, redis, { lease })),
        await joined(logOn(name, redis, { lease })),
      ] as const;
      redis.freeze();
      await wait(3 * lease);
      redis.thaw();
      await wait(2 * lease);
      for (const { losses, records, membership } of members) {
        expect([losses, records]).toEqual([[], []]);
        expect(await membership.nodes?.()).toEqual(members.map((each) => each.membership.id));
      }
    });

    test("if an heir dies while it inherits, the next one has all records, each once", async () => {
      const redis = await server();
      const to = await way(redis);
      const lease = 900;
      const [heir, dying] = [
        await joined(logOn(name, to, { lease })),
        await joined(logOn(name, to, { lease })),
      ];
      const last = await joined(logOn(name, redis, { lease }));
      const names = Array.from({ length: 300 }, (_, index) => `record ${index}`);
      await Promise.all(
        names.map((each, index) => hold((index % 2 === 0 ? heir : dying).log, each, `channel ${index}`)),
      );
      await dying.membership[Symbol.asyncDispose]();
      await until(() => expect(heir.records.length).toBeGreaterThan(0));
      to.cut();
      await until(() => expect(last.records).toHaveLength(300));
      expect(last.records.map(({ record }) => record).toSorted()).toEqual(names.toSorted());
    });

    test("a server that was killed and has lost everything has its members back, which are told", async () => {
      const redis = await server();
      const lease = 900;
      const one = await joined(logOn(name, redis, { lease }));
      const two = await joined(logOn(name, redis, { lease }));
      await redis.kill();
      await redis.restart();
      await until(() => expect([one.renewals, two.renewals]).toEqual([1, 1]));
      await until(async () => expect([...((await one.membership.nodes?.()) ?? [])]).toHaveLength(2));
      const held = { record: "again", channel: "news", position: { epoch: "", offset: 7 } };
      await two.membership.hold?.(held);
      await two.log[Symbol.asyncDispose]();
      await until(() => expect(one.records).toEqual([held]));
      expect([...one.losses, ...two.losses]).toEqual([]);
    });
  });
}
