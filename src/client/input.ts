import type { Position } from "../model/log.ts";

/**
 * Characters in the longest message that every server accepts: at three bytes each, they fit in 64 KiB. Longer
 * acknowledgements are split. Longer commands are not sent again automatically.
 */
export const frame = 20_000;

/** Throws the TypeError for an invalid argument. */
export function refuse(what: string, why: string, cause?: unknown): never {
  throw new TypeError(`Cannot ${what}: ${why}`, { cause });
}

/**
 * Returns the action and its target, for error messages. Throws a TypeError when `name` is not the name of a channel,
 * run or method.
 */
export function named(verb: string, name: unknown): string {
  const what = `${verb} "${name}"`;
  return textOf(what, name) ? what : refuse(what, "it is empty");
}

/** Returns `text`. Throws a TypeError when it is not a string. */
export function textOf(what: string, text: unknown): string {
  return typeof text === "string" ? text : refuse(what, "it is not a string");
}

/** Returns the JSON of a value to send. Throws a TypeError for a value that JSON cannot represent unchanged. */
export function jsonOf(what: string, value: unknown): string {
  try {
    return JSON.stringify(value, replacer);
  } catch (cause) {
    return refuse(what, (cause as Error).message, cause);
  }
}

/**
 * Returns the values that JSON represents. JSON omits an undefined member, but would turn an undefined item into null.
 */
function replacer(this: unknown, key: string, part: unknown): unknown {
  const isHeld = /t (O|Array]|St|B|Nul)/.test({}.toString.call(part)) || Number.isFinite(part);
  if (isHeld || (part === undefined && !Array.isArray(this))) return part;
  throw new TypeError(`"${key}" is no JSON`);
}

/** Returns a position with only its two members. Throws a TypeError when `after` is not a position. */
export function positionOf(after: Position | undefined): Position | undefined {
  if (after === undefined) return after;
  const { offset, epoch } = Object(after) as Position;
  if (!(Number.isSafeInteger(offset) && offset >= 0 && typeof epoch === "string"))
    refuse("begin", "after is not a position");
  return { offset, epoch };
}

/** Returns the WebSocket URL to connect to. Throws a TypeError for an invalid URL. */
export function addressOf(given: string | URL): string {
  const page = globalThis as { location?: { href: string } };
  try {
    const address = new URL(given, page.location?.href).href.replace(/^http/, "ws");
    // A WebSocket URL must not have a fragment.
    if (/^wss?:[^#]+$/.test(address)) return address;
  } catch {}
  return refuse(`connect to "${given}"`, "write wss://example.com/path");
}
