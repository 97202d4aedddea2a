import { exceeds } from "./bytes.ts";
import { nameOf } from "./scope.ts";

/** How a value is checked. */
export interface SerialiseOptions {
  /** Whether the value may have members that are undefined, which JSON leaves out. Default false. */
  allowsUndefined?: boolean | undefined;
}

/**
 * Writes a value as JSON, if JSON can hold it: what arrives is what was given, or nothing is sent.
 *
 * Throws a TypeError that names the path of what JSON would change, lose or refuse (BigInt, functions, symbols, NaN,
 * infinities, maps and sets and other objects whose content it does not see, cycles, `undefined`), and a RangeError above
 * `most` bytes. An object's own `toJSON` decides for it, and is taken at its word: a `Date` arrives as its text, since
 * that is what it says of itself. Deeper than the top, members that are undefined are left out.
 */
export function serialise(
  what: string | (() => string),
  value: unknown,
  most: number,
  { allowsUndefined = false }: SerialiseOptions = {},
): string {
  let text: string | undefined;
  let why: string | undefined;
  let options: ErrorOptions | undefined;
  try {
    why = look(value, undefined, allowsUndefined);
    if (why !== undefined) why = `data${why}`;
    else {
      text = JSON.stringify(value);
      // A `toJSON` may answer anything.
      if (text === undefined) why = `it is ${typeof value}`;
    }
  } catch (cause) {
    why = cause instanceof Error ? cause.message : "it threw";
    options = { cause };
  }
  if (text === undefined) throw new TypeError(`Cannot put ${nameOf(what)} into JSON: ${why}`, options);
  if (exceeds(text, most)) throw new RangeError(`Cannot publish ${nameOf(what)}: it is over ${most} bytes`);
  return text;
}

/** An object whose content is being looked at, and the one that it is in. */
interface Open {
  readonly part: object;
  readonly around: Open | undefined;
}

/** One that is entered again within itself is a cycle; the same object twice beside itself is not. */
function isCycle(part: object, around: Open | undefined): boolean {
  for (let open = around; open !== undefined; open = open.around) if (open.part === part) return true;
  return false;
}

/** Says what JSON would not keep, and where; undefined where it keeps everything. */
function look(part: unknown, around: Open | undefined, allowsUndefined: boolean): string | undefined {
  if (typeof part === "string") return undefined;
  const plain = lostPlain(part);
  if (plain !== undefined) return ` is ${plain}`;
  if (typeof part !== "object" || part === null || isSelfMade(part)) return undefined;
  if (isCycle(part, around)) return " is a cycle";
  const opaque = lostObject(part);
  if (opaque !== undefined) return ` is ${opaque}`;
  const open = { part, around };
  return Array.isArray(part) ? inItems(part, open) : inMembers(part, open, allowsUndefined);
}

function inItems(items: readonly unknown[], open: Open): string | undefined {
  for (let at = 0; at < items.length; at++) {
    const lost = look(items[at], open, true);
    if (lost !== undefined) return `[${at}]${lost}`;
  }
  return undefined;
}

/** Deeper than the top, members may be undefined. */
function inMembers(part: object, open: Open, allowsUndefined: boolean): string | undefined {
  for (const name of Object.keys(part)) {
    const member = (part as Record<string, unknown>)[name];
    if (member === undefined && allowsUndefined) continue;
    const lost = look(member, open, true);
    if (lost !== undefined) return `.${name}${lost}`;
  }
  return undefined;
}

function lostPlain(value: unknown): string | undefined {
  const kind = typeof value;
  if (kind === "number") return Number.isFinite(value) ? undefined : String(value);
  if (kind === "bigint") return "a BigInt";
  if (kind === "function" || kind === "symbol") return `a ${kind}`;
  return kind === "undefined" ? kind : undefined;
}

/** Whether the value itself says what JSON is to write. */
export function isSelfMade(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

/** Of these JSON would write `{}`, or something that reads back as another thing. */
function lostObject(value: object): string | undefined {
  if (Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  const made: unknown = value.constructor;
  const name = typeof made === "function" && made.name !== "" ? made.name : "an object";
  if (ArrayBuffer.isView(value)) return name;
  if (value instanceof Number) return lostPlain(value.valueOf());
  if (value instanceof String || value instanceof Boolean) return undefined;
  if (value instanceof Error || value instanceof Map || value instanceof Set) return name;
  return Object.keys(value).length === 0 && !isOwnClass(value) ? name : undefined;
}

/** Whether it is an object of a class of the user's, which may be empty: those built in say what they are. */
export function isOwnClass(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}
