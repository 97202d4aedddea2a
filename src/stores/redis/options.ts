import type { Log } from "../../model/log.ts";
import { type Bound, boundsByName } from "../bounds.ts";
import { connectorOf, type RedisClient } from "./client-port.ts";
import { Keys } from "./keys.ts";
import { RedisLog } from "./redis-log.ts";

/** Options of `redisLog`. */
export interface RedisLogOptions {
  /**
   * A client of the package `redis` or `ioredis`, also of a Cluster or a Sentinel. It need not be connected, and is not
   * used itself: the log duplicates it for two connections of its own, and closes only those.
   */
  client: RedisClient;
  /** What the names of all keys begin with. Logs with the same prefix are the same log. Default `"tocsin:"`. */
  prefix?: string | undefined;
  /** Publications kept per channel. Default 1 000. */
  size?: Bound | undefined;
  /** Bytes of payload and tags kept per channel, as UTF-8. Default 1 048 576 (1 MiB). */
  bytes?: Bound | undefined;
  /** Milliseconds a publication is kept. Default 86 400 000 (24 h). */
  ttl?: Bound | undefined;
  /**
   * Bytes that publications over `size` and `bytes` may take while they are younger than 10 s. Each of them counts 192
   * bytes besides its payload and tags. Above `slack`, or after 10 s, a channel is trimmed to `size` and `bytes`,
   * oldest first. 0: it always is. Default 8 388 608 (8 MiB).
   */
  slack?: Bound | undefined;
  /**
   * Milliseconds after which a process that is silent is taken for gone. One that lives is heard three times in it. All
   * processes should have the same. Default 15 000.
   */
  lease?: number | undefined;
}

const defaults = { size: 1_000, bytes: 1_048_576, ttl: 86_400_000, slack: 8_388_608 };

/**
 * Creates a log that keeps its channels in Redis 7. Any number of processes work with it at once.
 *
 * Nothing happens until the log is first used. Then it opens a connection, and with the first watch another one for
 * subscriptions. A connection that is lost, or has not answered for 5 s, is given up; the next call opens another one.
 * Meanwhile calls reject with a `LogError` that is not lasting.
 *
 * There is no bound in bytes over all channels: what Redis keeps besides is not known to one log. Set `maxmemory` in
 * Redis with the policy `noeviction`. When it is full, what is published waits.
 *
 * @throws {RangeError} when a bound is negative or not a number, or `lease` is not a finite number above 0
 * @throws {TypeError} when `client` is of another kind, or has a key prefix of its own
 * @example
 * ```ts
 * import { createClient } from "redis";
 *
 * const log = redisLog({ client: createClient({ url: "redis://localhost" }) });
 * const position = await log.append("room:1", '"hello"', { time: Date.now() });
 * const { entries } = await log.read("room:1", { after: { ...position, offset: 0 } });
 * ```
 */
export function redisLog({
  client,
  prefix = "tocsin:",
  size = defaults.size,
  bytes = defaults.bytes,
  ttl = defaults.ttl,
  slack = defaults.slack,
  lease = 15_000,
}: RedisLogOptions): Log {
  if (!(lease > 0 && lease < Infinity))
    throw new RangeError(`Cannot use lease "${String(lease)}": it is not a finite number above 0`);
  const boundsOf = boundsByName({ size, bytes, ttl, slack }, defaults);
  return new RedisLog({ connector: connectorOf(client), keys: new Keys(prefix), boundsOf, lease });
}
