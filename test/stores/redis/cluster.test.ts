import { redisLog } from "tocsin/redis";
import { clusterSuite } from "tocsin/testing";
import { afterAll, beforeAll, describe, test } from "vitest";
import { killable } from "../../support/killable-client.ts";
import { clientOf, missing, packages, type RedisServer, startRedis } from "../../support/redis.ts";

const lease = 900;

if (missing !== undefined) test.skip(`nodes over a log in Redis (${missing})`);
else {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.destroy());
  for (const name of packages) {
    const world = () => {
      const prefix = `${crypto.randomUUID()}:`;
      const open = () => {
        const { client, kill } = killable(clientOf(name, server.port));
        return { log: redisLog({ client, prefix, lease }), kill };
      };
      return { lease, open, async [Symbol.asyncDispose]() {} };
    };
    describe.concurrent(`by clients of ${name}`, () => clusterSuite({ world }, { describe, test }));
  }
}
