import { redisLog } from "tocsin/redis";
import { type LogSuiteOptions, logSuite } from "tocsin/testing";
import { afterAll, beforeAll, describe, test } from "vitest";
import { clientOf, missing, packages, type RedisServer, startRedis } from "../../support/redis.ts";

if (missing !== undefined) test.skip(`a log in Redis (${missing})`);
else {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.destroy());
  for (const name of packages) {
    const prefixes = new WeakMap<object, string>();
    // Logs of one test are nodes of one log. Other tests have other keys.
    const make = ({ clock }: LogSuiteOptions) => {
      const prefix = prefixes.get(clock) ?? `${crypto.randomUUID()}:`;
      prefixes.set(clock, prefix);
      return redisLog({ client: clientOf(name, server.port), prefix, lease: 1_500 });
    };
    const wipe = async () => void (await server.command("FLUSHALL"));
    describe(`by a client of ${name}`, () => logSuite(make, { describe, test }, { wipe }));
  }
}
