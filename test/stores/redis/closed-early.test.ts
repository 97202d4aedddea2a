import { expect, test } from "vitest";
import { missing, packages } from "../../support/redis.ts";
import { logOn, server, until } from "./tools.ts";

if (missing !== undefined) test.skip(`a log in Redis that is closed early (${missing})`);
else
  test.each(packages)(
    "a log that is closed while it connects leaves no connection, with %s",
    async (name) => {
      const redis = await server();
      for (let turns = 0; turns < 30; turns++) {
        const log = logOn(name, redis);
        const reading = Promise.resolve(log.read("news", {})).catch(() => {});
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
        await log[Symbol.asyncDispose]();
        await reading;
      }
      // The one that asks is connected itself.
      await until(async () =>
        expect((await redis.command("CLIENT", "LIST")).trim().split("\n")).toHaveLength(1),
      );
    },
  );
