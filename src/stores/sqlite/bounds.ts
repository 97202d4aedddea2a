import type { Retention } from "../../model/log.ts";
import { type Bound, Bounds } from "../bounds.ts";

/** The bounds of a channel where its own retention says nothing. */
export type BoundsOf = (channel: string) => Bounds;

/**
 * Returns the bounds of users' channels, or of those whose names begin with NUL. They are the engine's own, and
 * functions of the user are not asked for them: they have the number of the user, or else the default.
 *
 * @throws {RangeError} when a bound is negative or not a number
 */
export function boundsByName(
  bounds: Readonly<Record<keyof Retention, Bound>>,
  defaults: Retention,
): BoundsOf {
  const users = new Bounds(bounds);
  const number = (name: keyof Retention): number => {
    const bound = bounds[name];
    return typeof bound === "function" ? defaults[name] : bound;
  };
  const reserved = new Bounds({
    size: number("size"),
    bytes: number("bytes"),
    ttl: number("ttl"),
    slack: number("slack"),
  });
  return (channel) => (channel.startsWith("\0") ? reserved : users);
}
