import type { Connector } from "./connection-port.ts";
import { type IoredisClient, ioredisConnector } from "./ioredis.ts";
import { type NodeRedisClient, nodeRedisConnector } from "./node-redis.ts";

/**
 * A client of Redis: of `redis` (`createClient`, `createCluster`, `createSentinel`) or of `ioredis` (`Redis`, `Cluster`).
 * It tells the log where Redis is, and how to authenticate. The log makes connections of its own with `duplicate()`, and
 * closes only those.
 */
export interface RedisClient {
  /** Returns another client of the same server, which is not connected yet. */
  duplicate(...options: never[]): unknown;
}

/** @throws {TypeError} when it is no client of a kind that the log knows, or has a key prefix of its own */
export function connectorOf(client: RedisClient): Connector {
  const given = client as Partial<NodeRedisClient & IoredisClient> | null;
  if (typeof given === "object" && given !== null && typeof given.duplicate === "function") {
    demandNoPrefix(given);
    if (typeof given.ssubscribe === "function") return ioredisConnector(given as IoredisClient);
    if (typeof given.sSubscribe === "function") return nodeRedisConnector(given as NodeRedisClient);
  }
  throw new TypeError('Cannot use this client: give one of the packages "redis" or "ioredis"');
}

function demandNoPrefix({ options }: { options?: { readonly keyPrefix?: unknown } | undefined }): void {
  const prefix = options?.keyPrefix;
  if (prefix === undefined || prefix === "" || prefix === null) return;
  throw new TypeError(
    `Cannot use a client with keyPrefix ${JSON.stringify(prefix)}: give redisLog its prefix instead`,
  );
}
