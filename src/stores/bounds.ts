import { checkBound, isBound } from "../base/check.ts";
import { describe, LogError } from "../model/errors.ts";
import type { Retention } from "../model/log.ts";

/** A bound that is the same for every channel, or depends on the channel's name. */
export type Bound = number | ((channel: string) => number);

/** Holds how much is kept of each channel. */
export class Bounds {
  readonly #bounds: Readonly<Record<keyof Retention, Bound>>;
  /** The bounds of every channel, if they do not depend on its name. */
  readonly #usual: Retention | undefined;

  /** @throws {RangeError} when a bound is negative or not a number */
  constructor(bounds: Readonly<Record<keyof Retention, Bound>>) {
    this.#bounds = bounds;
    let isUsual = true;
    for (const [name, bound] of Object.entries(bounds)) {
      if (typeof bound === "function") isUsual = false;
      else checkBound(name, bound);
    }
    if (isUsual) this.#usual = this.with("", {});
  }

  /** Returns the default bounds of a channel. Returns the same object each time if they do not depend on its name. */
  of(channel: string): Retention {
    return this.#usual ?? this.with(channel, {});
  }

  /**
   * Returns the bounds of a channel for which some are `given`, or `present` itself if they are the same.
   *
   * @throws {RangeError} when a given bound is negative or not a number
   * @throws {LogError} a lasting one, when a function of the log throws or returns something else
   */
  with(channel: string, given: Partial<Retention>, present?: Retention): Retention {
    const size = this.#bound("size", given.size, channel);
    const bytes = this.#bound("bytes", given.bytes, channel);
    const ttl = this.#bound("ttl", given.ttl, channel);
    const slack = this.#bound("slack", given.slack, channel);
    const isSame =
      size === present?.size && bytes === present.bytes && ttl === present.ttl && slack === present.slack;
    return isSame ? present : { size, bytes, ttl, slack };
  }

  #bound(name: keyof Retention, given: number | undefined, channel: string): number {
    if (given !== undefined) return checkBound(name, given);
    const usual = this.#bounds[name];
    return typeof usual === "function" ? ask(name, usual, channel) : usual;
  }
}

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

/** Calls a function of the user. One that fails for a channel would fail for it again, so its error is lasting. */
function ask(name: string, bound: (channel: string) => number, channel: string): number {
  let why: string;
  let options: ErrorOptions = {};
  try {
    const answer = bound(channel);
    if (isBound(answer)) return answer;
    why = `returned "${String(answer)}", which is not a number from 0 up`;
  } catch (cause) {
    why = `threw ${describe(cause).message}`;
    options = { cause };
  }
  const message = `Cannot bound ${JSON.stringify(channel)}: ${name}() ${why}`;
  throw new LogError(message, { ...options, lasting: true });
}
