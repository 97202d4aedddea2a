import { expect, test, vi } from "vitest";
import { missing } from "../../support/redis.ts";
import { logOn, server } from "./tools.ts";

test.skipIf(missing !== undefined)(
  `the example publishes to the log in Redis${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    const to = await server();
    vi.stubEnv("REDIS_URL", `redis://localhost:${to.port}`);
    await import("../../../examples/redis.ts");
    vi.unstubAllEnvs();
    const { entries } = await logOn("redis", to).read("news", {});
    expect(entries.map(({ data }) => JSON.parse(data))).toEqual(["to the clients of all processes"]);
  },
);
