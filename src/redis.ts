/**
 * A log in Redis 7, with which any number of processes work at once, by a client of `redis` or `ioredis`.
 *
 * @module
 */

export type { Bound } from "./stores/bounds.ts";
export type { RedisClient } from "./stores/redis/client-port.ts";
export { type RedisLogOptions, redisLog } from "./stores/redis/options.ts";
