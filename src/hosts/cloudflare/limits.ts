import { type Limits, resolveLimits } from "../../engine/core/limits.ts";

/**
 * The limits on what takes memory. An isolate has 128 MB. Measured in workerd, in bytes, with the contents that take the
 * most; all of it together is 109 MB:
 *
 * | what | each | at the limit |
 * |---|---|---|
 * | the program | | 3 MB |
 * | session; subscription | 1 200; 135 | 15 MB |
 * | channel in use, with a subscription; channel that the log remembers | 2 250; 1 300 | 13 MB |
 * | character of a waiting command | 11 | 23 MB |
 * | confirmed publication that waits, its bytes; endings of runs the same again | 730; 2 | 16 MB |
 * | byte that waits to be published: of tiny ones that are confirmed, and of others | 12; 5 | 25 MB |
 * | byte of the cache; of ended runs | 3; 1.3 | 9 MB |
 * | idempotency key; subscriber that left, 10 000 each | 320; 230 | 5 MB |
 */
export const objectLimits = {
  sessions: 1_000,
  userSessions: 1_000,
  subscriptions: 100,
  channels: 5_000,
  cache: 2_097_152,
  waiting: 2_097_152,
  confirmedTotal: 5_000,
  confirmedTotalBytes: 2_097_152,
  endedBytes: 2_097_152,
} as const;

/** The default of `commandTotalChars`, unless another limit demands more. */
const commandTotalChars = 2_097_152;

/** The default of `window`. What is in flight takes memory of the process, not of the isolate. */
export const objectWindow = 65_536;

/**
 * Returns the limits of an object, with its defaults for those that are not given. Throws a RangeError for an invalid
 * limit, or for one that contradicts another.
 */
export function limitsOfObject(given: Partial<Limits> = {}): Partial<Limits> {
  const specified = Object.entries(given).filter(([, value]) => value !== undefined);
  const limits: Partial<Limits> = { ...objectLimits, ...Object.fromEntries(specified) };
  // A limit may have been raised on which this one depends.
  const { commandChars } = resolveLimits(limits);
  return { commandTotalChars: Math.max(commandTotalChars, 2 * commandChars), ...limits };
}
