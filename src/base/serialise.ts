import { exceeds } from "./bytes.ts";
import { nameOf } from "./scope.ts";

/** Options of `serialise`. */
export interface SerialiseOptions {
  /** Whether members of the value itself may be undefined. JSON omits such members. Default false. */
  allowsUndefined?: boolean | undefined;
}

/**
 * Returns a value as JSON text, if JSON can represent the value without loss.
 *
 * Throws a TypeError for a value that JSON would change, lose or refuse: BigInt, functions, symbols, NaN, infinities,
 * maps, sets and other objects whose content JSON does not see, cycles, and `undefined`. The message names the path of
 * the value. Throws a RangeError if the text is longer than `max` bytes.
 *
 * If an object has a `toJSON` method, its result is used without a check: a `Date` is sent as its string. Below the top
 * level, members that are undefined are omitted.
 */
export function serialise(
  what: string | (() => string),
  value: unknown,
  max: number,
  { allowsUndefined = false }: SerialiseOptions = {},
): string {
  let text: string | undefined;
  let why: string | undefined;
  let options: ErrorOptions | undefined;
  try {
    why = findLoss(value, undefined, allowsUndefined);
    if (why !== undefined) why = `data${why}`;
    else {
      text = JSON.stringify(value);
      // A `toJSON` method may return undefined.
      if (text === undefined) why = `it is ${typeof value}`;
    }
  } catch (cause) {
    why = cause instanceof Error ? cause.message : "it threw";
    options = { cause };
  }
  if (text === undefined) throw new TypeError(`Cannot put ${nameOf(what)} into JSON: ${why}`, options);
  if (exceeds(text, max)) throw new RangeError(`Cannot publish ${nameOf(what)}: it is over ${max} bytes`);
  return text;
}

/** An object that is being checked, and the object that contains it. */
interface Ancestor {
  readonly value: object;
  readonly parent: Ancestor | undefined;
}

/** An object that contains itself is a cycle. The same object twice side by side is not. */
function isCycle(value: object, parent: Ancestor | undefined): boolean {
  for (let each = parent; each !== undefined; each = each.parent) if (each.value === value) return true;
  return false;
}

/** Returns the path and the kind of what JSON would lose, or undefined when it loses nothing. */
function findLoss(
  value: unknown,
  parent: Ancestor | undefined,
  allowsUndefined: boolean,
): string | undefined {
  if (typeof value === "string") return undefined;
  const plain = lostPlain(value);
  if (plain !== undefined) return ` is ${plain}`;
  if (typeof value !== "object" || value === null || isSelfMade(value)) return undefined;
  if (isCycle(value, parent)) return " is a cycle";
  const opaque = lostObject(value);
  if (opaque !== undefined) return ` is ${opaque}`;
  const ancestor = { value, parent };
  return Array.isArray(value) ? inItems(value, ancestor) : inMembers(value, ancestor, allowsUndefined);
}

function inItems(items: readonly unknown[], ancestor: Ancestor): string | undefined {
  for (let at = 0; at < items.length; at++) {
    const lost = findLoss(items[at], ancestor, true);
    if (lost !== undefined) return `[${at}]${lost}`;
  }
  return undefined;
}

/** Below the top level, members may be undefined. */
function inMembers(value: object, ancestor: Ancestor, allowsUndefined: boolean): string | undefined {
  for (const name of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined && allowsUndefined) continue;
    const lost = findLoss(member, ancestor, true);
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

/** Returns whether an object defines its own JSON form with a `toJSON` method. */
export function isSelfMade(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

/** Returns the name of an object that JSON would write as `{}`, or in a form that parses to a different value. */
function lostObject(value: object): string | undefined {
  if (Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return undefined;
  const type: unknown = value.constructor;
  const name = typeof type === "function" && type.name !== "" ? type.name : "an object";
  if (ArrayBuffer.isView(value)) return name;
  if (value instanceof Number) return lostPlain(value.valueOf());
  if (value instanceof String || value instanceof Boolean) return undefined;
  if (value instanceof Error || value instanceof Map || value instanceof Set) return name;
  return Object.keys(value).length === 0 && !isOwnClass(value) ? name : undefined;
}

/**
 * Returns whether a value is a plain object or an instance of a user's class. Such an object may be empty. A built-in
 * class has a `toString` tag of its own.
 */
export function isOwnClass(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}
