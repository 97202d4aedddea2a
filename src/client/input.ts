import type { Position } from "../model/log.ts";

/**
 * Characters of a message that every server takes: 64 KiB hold as many where each takes three bytes. What can be longer is
 * split, or not sent again by itself.
 */
export const frame = 20_000;

/** Throws the error of whoever asks for what cannot be. */
export function refuse(what: string, why: string, cause?: unknown): never {
  throw new TypeError(`Cannot ${what}: ${why}`, { cause });
}

/** Says in an error what is done, and to what. Throws a TypeError for what is no name of a channel, run or method. */
export function named(verb: string, name: unknown): string {
  const what = `${verb} "${name}"`;
  return textOf(what, name) ? what : refuse(what, "it is empty");
}

/** Throws a TypeError for what is no text. */
export function textOf(what: string, text: unknown): string {
  return typeof text === "string" ? text : refuse(what, "it is no text");
}

/** Writes as JSON what is asked of a server. Throws a TypeError for what would not arrive as it was given. */
export function jsonOf(what: string, value: unknown): string {
  try {
    return JSON.stringify(value, kept);
  } catch (cause) {
    return refuse(what, (cause as Error).message, cause);
  }
}

/** Passes on what JSON holds. A member that is undefined it leaves out; in a list it would change it. */
function kept(this: unknown, key: string, part: unknown): unknown {
  const isHeld = /t (O|Array]|St|B|Nul)/.test({}.toString.call(part)) || Number.isFinite(part);
  if (isHeld || (part === undefined && !Array.isArray(this))) return part;
  throw new TypeError(`"${key}" is no JSON`);
}

/** The position that was given, alone. Throws a TypeError for what is none. */
export function positionOf(after: Position | undefined): Position | undefined {
  if (after === undefined) return after;
  const { offset, epoch } = Object(after) as Position;
  if (!(Number.isSafeInteger(offset) && offset >= 0 && typeof epoch === "string"))
    refuse("begin", "after is no position");
  return { offset, epoch };
}

/** The address to dial. Throws a TypeError for what is none. */
export function addressOf(given: string | URL): string {
  const page = globalThis as { location?: { href: string } };
  try {
    const address = new URL(given, page.location?.href).href.replace(/^http/, "ws");
    // A WebSocket takes no fragment.
    if (/^wss?:[^#]+$/.test(address)) return address;
  } catch {}
  return refuse(`connect to "${given}"`, "write wss://example.com/path");
}
